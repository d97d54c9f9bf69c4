"""Fog, rain and snow between scene and camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, blurred, fbm, resized, smoothstep, working_shape
from anomalies.light import coloured, luma, over, screened, sky_light, toned, uniform
from anomalies.particles import scattered, streaks
from anomalies.scene import Scene

KOSCHMIEDER = 2.996
VISIBILITY = (600, 300, 150, 75, 40)
HORIZON = 0.42
FOCAL_LENGTH = 2.2
CAMERA_HEIGHT = 1.3
STREET_HALF_WIDTH = 10.0
END_OF_STREET = 150.0
SKY_DISTANCE = 400.0
OBJECT_DISTANCE = 16.0
SCENE_ROWS = 64
Layout = Literal["auto", "road", "object"]


@dataclass(frozen=True)
class Fog(Anomaly):
    """Fog after Koschmieder: image x t + airlight x (1 - t), t = exp(-2.996 distance / visibility).

    The severity sets the visibility: 600, 300, 150, 75, 40 m (the first three are those of Foggy Cityscapes,
    Sakaridis et al. 2018). Its density varies by 15 % over the image.

    Args:
        scene: "road" takes distances from a street that runs to a horizon at 0.42 of the height, between
            facades; "object" puts everything 16 m away; "auto" is "object" for images below 64 rows.

    Raises:
        ValueError: another scene.
    """

    kind = "fog"
    family = "weather"
    level = "image"

    scene: Layout = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scene not in ("auto", "road", "object"):
            raise ValueError(f'fog: scene must be "auto", "road" or "object", got {self.scene!r}')

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        density = 1 + np.float32(0.15) * np.clip(fbm(rng, shape, 0.5 * shape[0], octaves=4), -2, 2)
        distance = self._distance(resized(image, shape))
        clear = np.exp(-KOSCHMIEDER / self.of(VISIBILITY) * distance * density).astype(np.float32)
        air = uniform(sky_light(image), image.shape)
        return Rendered(over(image, air, 1 - resized(clear, full)), None)

    def _distance(self, small: Image) -> Map:
        rows = small.shape[0]
        if self.scene == "object" or (self.scene == "auto" and rows < SCENE_ROWS):
            return np.full(small.shape[:2], OBJECT_DISTANCE, dtype=np.float32)
        return street_distance(small)


def street_distance(image: Image) -> Map:
    """Distances in metres guessed from the position in the image: flat ground, facades 10 m to both sides,
    the end of the street after 150 m, sky beyond.

    Args:
        image: (h, w) or (h, w, C) uint8; bright smooth parts above the horizon are taken for sky.

    Returns:
        (h, w) float32.
    """
    h, w = image.shape[:2]
    rows = ((np.arange(h, dtype=np.float32) + 0.5) / h - HORIZON)[:, None]
    columns = np.abs((np.arange(w, dtype=np.float32) + 0.5 - w / 2) / h)[None, :]
    ground = np.maximum(rows, 0) / np.float32(FOCAL_LENGTH * CAMERA_HEIGHT)
    facade = columns / np.float32(FOCAL_LENGTH * STREET_HALF_WIDTH)
    # The nearest of the three, without a kink where one takes over from another.
    distance = 1 / np.sqrt(ground**2 + facade**2 + np.float32(END_OF_STREET**-2))
    sky = _sky(image, rows)
    return distance + sky * (SKY_DISTANCE - distance)


def _sky(image: Image, rows: Map) -> Map:
    """How much each pixel looks like sky, 0 to 1."""
    h = image.shape[0]
    bright = blurred(luma(image), 0.01 * h)
    rough = blurred(np.abs(luma(image) - bright), 0.01 * h)
    level = float(np.quantile(bright[: h // 2], 0.95))
    looks = smoothstep(bright, 0.6 * level, 0.9 * level) * (1 - smoothstep(rough, 2.0, 8.0))
    return blurred(looks * (rows < 0), 0.01 * h).astype(np.float32)


RAIN_STREAKS = (160, 420, 950, 1900, 3400)
RAIN_OPACITY = (0.16, 0.19, 0.22, 0.26, 0.30)
RAIN_CLARITY = (0.97, 0.92, 0.86, 0.80, 0.72)
RAIN_DARKENING = (0.97, 0.94, 0.91, 0.87, 0.83)


@dataclass(frozen=True)
class Rain(Anomaly):
    """Falling rain: streaks of the drops' motion, a veil of spray, less light.

    The severity sets the number of streaks on a square of the image height: 160, 420, 950, 1900, 3400; their
    opacity: 0.16 to 0.30; the contrast left by the veil: 0.97 to 0.72; the light left: 0.97 to 0.83. Streaks
    are 0.02 to 0.08 H long, nearer ones longer, wider and fainter, within 15 degrees of one direction.
    """

    kind = "rain"
    family = "weather"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-15, 15))
        drops = scattered(rng, full, RAIN_STREAKS[-1], self.of(RAIN_STREAKS))
        light = streaks(drops, full, tilt=tilt, length=(0.02, 0.08), width=(0.0008, 0.0022), spread=0.04)
        air = sky_light(image) * np.float32(self.of(RAIN_DARKENING))
        veiled = _veiled(image, air, self.of(RAIN_CLARITY), self.of(RAIN_DARKENING))
        return Rendered(screened(veiled, coloured(light, self.of(RAIN_OPACITY) * air)), None)


SNOW_FLAKES = (130, 330, 750, 1400, 2400)
SNOW_CLARITY = (0.96, 0.91, 0.85, 0.78, 0.70)
SNOW_GROUND = (0.0, 0.10, 0.20, 0.35, 0.50)


@dataclass(frozen=True)
class Snow(Anomaly):
    """Falling snow: flakes near and far, a bright veil, snow that settles on the ground.

    The severity sets the number of flakes on a square of the image height: 130, 330, 750, 1400, 2400; the
    contrast left by the veil: 0.96 to 0.70; how white the ground is: 0 to 0.5. Flakes are 0.0024 to
    0.010 H wide, near ones out of focus and drawn out by their motion.
    """

    kind = "snow"
    family = "weather"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-35, 35))
        flakes = scattered(rng, full, SNOW_FLAKES[-1], self.of(SNOW_FLAKES))
        light = streaks(flakes, full, tilt=tilt, length=(0.002, 0.016), width=(0.0024, 0.010), spread=0.3)
        air = np.minimum(sky_light(image) * np.float32(1.1), 235)
        ground = self._ground(rng, full)
        veiled = _veiled(image, air, self.of(SNOW_CLARITY), 1.0)
        settled = over(veiled, uniform(air, image.shape), ground)
        return Rendered(screened(settled, coloured(light, air)), None)

    def _ground(self, rng: np.random.Generator, full: Shape) -> Map:
        shape = working_shape(full)
        flat = fbm(rng, (shape[0], max(1, shape[1] // 4)), 0.08 * shape[0], octaves=5, gain=0.7)
        patches = smoothstep(resized(flat, shape), -0.9, 0.9)
        rows = (np.arange(shape[0], dtype=np.float32)[:, None] + 0.5) / shape[0]
        return resized(self.of(SNOW_GROUND) * patches * smoothstep(rows, HORIZON, HORIZON + 0.15), full)


def _veiled(image: Image, air: Map, clarity: float, light: float) -> Image:
    """light x (clarity x image + (1 - clarity) x air), per channel."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    return toned(image, light * (clarity * levels + (1 - clarity) * air[None]))


KINDS: tuple[type[Anomaly], ...] = (Fog, Rain, Snow)
