"""Fog by the Koschmieder model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.depth import distances, street_distance
from anomalies.toolkit.fields import fbm, resized, working_shape
from anomalies.toolkit.light import NIGHT_AIR, over, sky_light, uniform

KOSCHMIEDER = 2.996
VISIBILITY = (600, 300, 150, 75, 40)
OBJECT_DISTANCE = 16.0
SCENE_ROWS = 64
Layout = Literal["auto", "road", "object"]


@dataclass(frozen=True)
class Fog(Anomaly):
    """Fog by Koschmieder's law: image x t + airlight x (1 - t), t = exp(-2.996 distance / visibility).

    The severity sets the visibility: 600, 300, 150, 75, 40 m (the first three are those of Foggy Cityscapes,
    Sakaridis et al. 2018). The density varies by 15 % over the image. Distances come from the scene's depth or,
    without it, are estimated from its labels, see `anomalies.toolkit.depth.distances`.

    Args:
        scene: geometry assumed without depth and labels. "road": a street between facades with its horizon at 0.42 of
            the height; "object": everything 16 m away; "auto": "object" for images below 64 rows, else "road".

    Raises:
        ValueError: unknown ``scene``.
    """

    kind = "fog"
    family = "weather"
    level = "image"
    version = 3

    scene: Layout = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scene not in ("auto", "road", "object"):
            raise ValueError(f'fog: scene must be "auto", "road" or "object", got {self.scene!r}')

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        density = 1 + np.float32(0.15) * np.clip(fbm(rng, shape, 0.5 * shape[0], octaves=4), -2, 2)
        air = uniform(sky_light(image, NIGHT_AIR), image.shape)
        extinction = np.float32(-KOSCHMIEDER / self.of(VISIBILITY))
        known = distances(image, scene) if self._is_street(image.shape[0]) else None
        if known is None:
            distance = self._guessed(resized(image, shape), scene)
            return Rendered(
                over(image, air, 1 - resized(np.exp(extinction * distance * density), full)), None
            )
        clear: Any = cv2.exp(cv2.multiply(known, resized(density, full), scale=float(extinction)))
        return Rendered(over(image, air, 1 - clear), None)

    def _is_street(self, rows: int) -> bool:
        return self.scene == "road" or (self.scene == "auto" and rows >= SCENE_ROWS)

    def _guessed(self, small: Image, scene: Scene) -> Map:
        if not self._is_street(small.shape[0]):
            return np.full(small.shape[:2], OBJECT_DISTANCE, dtype=np.float32)
        return street_distance(small, scene.horizon, scene.camera_height)
