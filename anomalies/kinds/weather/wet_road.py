"""A wet, reflecting road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import ROAD, Scene
from anomalies.toolkit.depth import guessed_road, labelled_ground
from anomalies.toolkit.fields import blurred, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.light import over, sky_light

REFLECTION = (0.10, 0.18, 0.26, 0.36, 0.48)
DARKENING = (0.10, 0.18, 0.25, 0.32, 0.40)
SHEEN = 0.25
SCATTER = 0.010
STRETCH = 3.0


@dataclass(frozen=True)
class WetRoad(Anomaly):
    """A wet road: darker, with a dull reflection of what stands on it and of the sky, stretched downwards, stronger
    in puddles and at a distance, where the angle of incidence is flat.

    The severity sets the share of reflected light: 0.10, 0.18, 0.26, 0.36, 0.48 on average, and the darkening of
    the road: 10, 18, 25, 32, 40 %. The road is taken from the labels, without them it is a strip from below the
    horizon that fills the lower part of the image.
    """

    kind = "wet_road"
    family = "weather"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        small = resized(image, shape).reshape(*shape, -1)
        flat = fbm(rng, (shape[0], max(1, shape[1] // 5)), 0.10 * shape[0], octaves=4, gain=0.6)
        puddles = smoothstep(resized(flat, shape), -0.4, 1.2)
        known = labelled_ground(scene, shape, *ROAD)
        road = guessed_road(shape, scene.horizon) if known is None else known
        rows = ((np.arange(shape[0], dtype=np.float32) + 0.5) / shape[0])[:, None]
        grazing = 1.35 - 0.7 * smoothstep(rows, scene.horizon, 1.0)
        share = road * np.minimum(self.of(REFLECTION) * (0.65 + 0.7 * puddles) * grazing, 0.85)
        dark = road * (1 - share) * self.of(DARKENING)
        mirror = _mirrored(small, road > 0.5).astype(np.float32)
        mirror = mirror + np.float32(SHEEN) * (sky_light(image) - mirror)
        # The mirrored light and the light that the road loses are one layer.
        weight = (share + dark).astype(np.float32)
        light = share[..., None] * mirror / np.maximum(weight, 1e-3)[..., None]
        layer = resized(np.rint(light).clip(0, 255).astype(np.uint8), full).reshape(image.shape)
        return Rendered(over(image, layer, resized(weight, full)), None)


def _mirrored(small: Image, road: NDArray[np.bool_]) -> Image:
    """(h, w, C) what a flat mirror in place of the road would show: each column turned over at the upper edge of
    its road, scattered by the rough surface, most of all along the column.
    """
    h = small.shape[0]
    rows = np.arange(h, dtype=np.float32)[:, None]
    edge = np.maximum.accumulate(np.where(road, np.float32(0), rows), axis=0)
    edge = blurred(edge, max(0.3, SCATTER * h))
    columns = np.broadcast_to(np.arange(small.shape[1], dtype=np.float32), small.shape[:2])
    source = np.abs(2 * edge - rows).astype(np.float32)
    seen: Any = cv2.remap(small, np.ascontiguousarray(columns), source, cv2.INTER_LINEAR)
    sigma = max(0.3, SCATTER * h)
    scattered: Any = cv2.GaussianBlur(seen, (0, 0), sigmaX=sigma, sigmaY=STRETCH * sigma)
    return scattered.reshape(small.shape)
