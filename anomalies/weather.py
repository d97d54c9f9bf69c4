"""Fog, rain and snow between scene and camera; what rain leaves on the road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, fbm, resized, smoothstep, working_shape
from anomalies.light import coloured, over, screened, sky_light, toned, uniform
from anomalies.parts.depth import below_horizon, distances, labelled_ground, street_distance
from anomalies.parts.drops import with_drops
from anomalies.parts.particles import scattered, streaks
from anomalies.parts.wet_road import WetRoad
from anomalies.scene import GROUND, Scene

KOSCHMIEDER = 2.996
VISIBILITY = (600, 300, 150, 75, 40)
OBJECT_DISTANCE = 16.0
SCENE_ROWS = 64
NIGHT_AIR = 64
Layout = Literal["auto", "road", "object"]


@dataclass(frozen=True)
class Fog(Anomaly):
    """Fog after Koschmieder: image x t + airlight x (1 - t), t = exp(-2.996 distance / visibility).

    The severity sets the visibility: 600, 300, 150, 75, 40 m (the first three are those of Foggy Cityscapes,
    Sakaridis et al. 2018). Its density varies by 15 % over the image. Distances are the scene's depth, else told
    from its labels, see `anomalies.parts.depth.distances`.

    Args:
        scene: what is assumed where neither is known. "road" takes distances from a street that runs to a
            horizon at 0.42 of the height, between facades; "object" always puts everything 16 m away; "auto" is
            "object" for images below 64 rows.

    Raises:
        ValueError: another scene.
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


RAIN_STREAKS = (160, 420, 950, 1900, 3400)
RAIN_OPACITY = (0.16, 0.19, 0.22, 0.26, 0.30)
RAIN_CLARITY = (0.97, 0.92, 0.86, 0.80, 0.72)
RAIN_DARKENING = (0.97, 0.94, 0.91, 0.87, 0.83)
RAIN_DROPS = (1, 3, 6, 11, 18)


@dataclass(frozen=True)
class Rain(Anomaly):
    """Falling rain: streaks of the drops' motion, a veil of spray, less light, drops on the lens.

    The severity sets the number of streaks on a square of the image height: 160, 420, 950, 1900, 3400; their
    opacity: 0.16 to 0.30; the contrast left by the veil: 0.97 to 0.72; the light left: 0.97 to 0.83; the drops on a
    square of the lens: 1, 3, 6, 11, 18. Streaks are 0.02 to 0.08 H long, nearer ones longer, wider and fainter,
    within 15 degrees of one direction.
    """

    kind = "rain"
    family = "weather"
    level = "image"
    version = 3

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-15, 15))
        drops = scattered(rng, full, RAIN_STREAKS[-1], self.of(RAIN_STREAKS))
        light = streaks(drops, full, tilt=tilt, length=(0.02, 0.08), width=(0.0008, 0.0022), spread=0.04)
        air = sky_light(image) * np.float32(self.of(RAIN_DARKENING))
        veiled = _veiled(image, air, self.of(RAIN_CLARITY), self.of(RAIN_DARKENING))
        rainy = screened(veiled, coloured(light, self.of(RAIN_OPACITY) * air))
        return Rendered(with_drops(rainy, rng, RAIN_DROPS[-1], self.of(RAIN_DROPS))[0], None)


SNOW_FLAKES = (130, 330, 750, 1400, 2400)
SNOW_CLARITY = (0.96, 0.91, 0.85, 0.78, 0.70)
FLAKE_SHADES = (0.45, 0.7, 1.0)
SNOW_GROUND = (0.0, 0.10, 0.20, 0.35, 0.50)


@dataclass(frozen=True)
class Snow(Anomaly):
    """Falling snow: flakes near and far, a bright veil, snow that settles on the ground.

    The severity sets the number of flakes on a square of the image height: 130, 330, 750, 1400, 2400; the
    contrast left by the veil: 0.96 to 0.70; how white the ground is: 0 to 0.5. Flakes are 0.0024 to
    0.010 H wide, near ones out of focus and drawn out by their
    motion, a third of them each at 45, 70 and 100 % of their brightness. Snow settles on the ground of the labels,
    else below the horizon.
    """

    kind = "snow"
    family = "weather"
    level = "image"
    version = 3

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-35, 35))
        flakes = scattered(rng, full, SNOW_FLAKES[-1], self.of(SNOW_FLAKES))
        light = streaks(
            flakes,
            full,
            tilt=tilt,
            length=(0.002, 0.016),
            width=(0.0024, 0.010),
            spread=0.3,
            shades=FLAKE_SHADES,
        )
        air = np.minimum(sky_light(image, NIGHT_AIR) * np.float32(1.1), 235)
        ground = self._ground(rng, full, scene)
        veiled = _veiled(image, air, self.of(SNOW_CLARITY), 1.0)
        settled = over(veiled, uniform(air, image.shape), ground)
        return Rendered(screened(settled, coloured(light, air)), None)

    def _ground(self, rng: np.random.Generator, full: Shape, scene: Scene) -> Map:
        shape = working_shape(full)
        flat = fbm(rng, (shape[0], max(1, shape[1] // 4)), 0.08 * shape[0], octaves=5, gain=0.7)
        patches = smoothstep(resized(flat, shape), -0.9, 0.9)
        known = labelled_ground(scene, shape, *GROUND)
        where = below_horizon(shape, scene.horizon, 0.15) if known is None else known
        return resized(self.of(SNOW_GROUND) * patches * where, full)


def _veiled(image: Image, air: Map, clarity: float, light: float) -> Image:
    """light x (clarity x image + (1 - clarity) x air), per channel."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    return toned(image, light * (clarity * levels + (1 - clarity) * air[None]))


KINDS: tuple[type[Anomaly], ...] = (Fog, Rain, Snow, WetRoad)
