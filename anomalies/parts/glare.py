"""Dazzling light from ahead: a low sun, the headlights of oncoming cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, blurred, fbm, resized, smoothstep, working_shape
from anomalies.light import LUMA, luma, screened, toned
from anomalies.parts.depth import FOCAL_LENGTH, below_horizon, labelled_ground
from anomalies.scene import ROAD, SKY, Scene

SUN_VEIL = (0.22, 0.34, 0.46, 0.58, 0.70)
SUN_RADIUS = (0.05, 0.075, 0.11, 0.15, 0.20)
GLINT = (0.30, 0.42, 0.54, 0.66, 0.78)
PLACES = 16
GOLD = np.array([1.0, 0.90, 0.68], dtype=np.float32)


@dataclass(frozen=True)
class LowSun(Anomaly):
    """Driving against a low sun: a golden veil from just above the horizon, and its glint on the road below.

    The severity sets the strength of the veil: 0.22 to 0.70; the radius of the dazzled part: 0.05 to 0.20 H; the
    strength of the glint: 0.30 to 0.78. The glint lies on the road of the labels, else below the horizon.
    """

    kind = "low_sun"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h, w = shape
        sun = _low_in_the_sky(rng, resized(image, shape), scene)
        grain = fbm(rng, (h, max(1, w // 10)), 0.016 * h, octaves=3, gain=0.8)
        x = ((np.arange(w, dtype=np.float32) + 0.5) / h - np.float32(sun[0]))[None, :]
        y = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(sun[1]))[:, None]
        distance, radius = np.hypot(x, y), np.float32(self.of(SUN_RADIUS))
        veil = self.of(SUN_VEIL) * (0.22 + 0.78 / (1 + distance / (0.10 + 2 * radius)) ** 1.6)
        known = labelled_ground(scene, shape, *ROAD)
        road = below_horizon(shape, scene.horizon, 0.04) if known is None else known
        spread = (0.03 + 0.5 * radius + 0.30 * np.maximum(y, 0)).astype(np.float32)
        streak = np.exp(-((x / spread) ** 2)) * np.exp(-np.maximum(y, 0) / np.float32(0.5))
        glint = self.of(GLINT) * road * streak * (0.55 + 0.45 * smoothstep(resized(grain, shape), -1.6, 1.2))
        disc = 2.5 * np.exp(-distance / (0.4 * radius))
        light = 1 - (1 - np.minimum(disc, 1)) * (1 - veil) * (1 - glint)
        return Rendered(
            _added(image, light[..., None] * GOLD + np.minimum(disc, 1)[..., None] * (1 - GOLD)), None
        )


def _low_in_the_sky(rng: np.random.Generator, small: Image, scene: Scene) -> tuple[float, float]:
    """(x, y) of the sun in image heights: of sixteen places above the horizon the brightest, in the sky of the labels
    if there is one.
    """
    h, w = small.shape[:2]
    x = rng.uniform(0.2, 0.8, PLACES) * w / h
    y = np.maximum(scene.horizon - rng.uniform(0.03, 0.24, PLACES), 0)
    bright = blurred(luma(small), 0.03 * h)
    sky = scene.where(*SKY)
    if sky is not None:
        bright = bright + 255 * resized(sky.astype(np.float32), (h, w))
    best = int(np.argmax(bright[(y * h).astype(int), np.minimum((x * h).astype(int), w - 1)]))
    return float(x[best]), float(y[best])


CARS = (1, 1, 2, 3, 4)
BLOOM = (0.30, 0.42, 0.55, 0.70, 0.85)
BEAM_RADIUS = (0.012, 0.016, 0.021, 0.027, 0.034)
DUSK = (0.60, 0.46, 0.34, 0.25, 0.18)
LAMP_HEIGHT, LAMP_SPACING, LANE = 0.65, 1.3, 3.4
NEAREST, FARTHEST = 14.0, 55.0
STAR = 6
COLD = np.array([0.93, 0.97, 1.0], dtype=np.float32)


@dataclass(frozen=True)
class HeadlightGlare(Anomaly):
    """Oncoming cars with full beams at dusk, one lane aside at 14 to 55 m: pairs of dazzling discs with a bloom and
    the star of the aperture, and light on the road before them, in a frame that the camera darkens for them.

    The severity sets the number of cars: 1, 1, 2, 3, 4; the strength of the bloom: 0.30 to 0.85; the radius of the
    dazzled discs at 14 m: 0.012 to 0.034 H; the linear light left elsewhere: 0.60, 0.46, 0.34, 0.25, 0.18.
    """

    kind = "headlight_glare"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        side, turned = rng.choice((-1.0, 1.0)), rng.uniform(0, np.pi)
        steps = (np.arange(CARS[-1]) + rng.random(CARS[-1]) * 0.6) / CARS[-1]
        order = np.array((1, 0, 3, 2))
        distances = NEAREST * (FARTHEST / NEAREST) ** steps[order]
        light = np.zeros(shape, dtype=np.float32)
        for distance in distances[: self.of(CARS)]:
            for offset in (-LAMP_SPACING / 2, LAMP_SPACING / 2):
                lamp = self._lamp(shape, scene, side * LANE + offset, float(distance), turned)
                light = 1 - (1 - light) * (1 - lamp)
        levels = np.arange(256)[:, None].repeat(image.shape[2], axis=1)
        dusk = toned(image, levels * self.of(DUSK) ** (1 / 2.2))
        return Rendered(_added(dusk, light[..., None] * COLD), None)

    def _lamp(self, shape: Shape, scene: Scene, aside: float, distance: float, turned: float) -> Map:
        """(h, w) light of one lamp in [0, 1]."""
        h, w = shape
        scale = FOCAL_LENGTH / distance
        drop = scale * (scene.camera_height - LAMP_HEIGHT)
        x = ((np.arange(w, dtype=np.float32) + 0.5 - w / 2) / h - np.float32(scale * aside))[None, :]
        y = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(scene.horizon + drop))[:, None]
        r, angle = np.hypot(x, y), np.arctan2(y, x)
        radius = np.float32(self.of(BEAM_RADIUS) * (NEAREST / distance) ** 0.5)
        disc = 1.6 * np.exp(-((r / radius) ** 2))
        bloom = self.of(BLOOM) * (0.75 / (1 + r / (1.5 * radius)) ** 2)
        star = 0.6 * self.of(BLOOM) * np.abs(np.cos(0.5 * STAR * (angle - turned))) ** 24
        star = star * np.exp(-r / (4 * radius))
        below = np.maximum(y, 0) / np.float32(scale * LAMP_HEIGHT)
        pool = np.exp(-((x / (1.2 * scale)) ** 2)) * np.exp(-((below - 1.6) ** 2) / 0.8)
        light: Map = np.minimum(disc + bloom + star + 0.30 * self.of(BLOOM) * pool, 1)
        return light


def _added(image: Image, light: Map) -> Image:
    """Light, (h, w, 3) in [0, 1] on the working grid, screened over the image."""
    seen = light if image.shape[2] == 3 else (light @ LUMA)[..., None]
    levels = np.rint(255 * np.clip(seen, 0, 1)).astype(np.uint8)
    return screened(image, resized(levels, (image.shape[0], image.shape[1])).reshape(image.shape))
