"""Headlights of oncoming vehicles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.depth import FOCAL_LENGTH
from anomalies.toolkit.fields import Shape, working_shape
from anomalies.toolkit.light import toned, with_light

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
    """Oncoming cars with full beams at dusk, in the next lane at 14 to 55 m: pairs of saturated discs with bloom
    and the diffraction star of the aperture, light on the road in front of them, and a frame darkened by the
    auto-exposure.

    The severity sets the number of cars: 1, 1, 2, 3, 4; the strength of the bloom: 0.30 to 0.85; the radius of the
    saturated discs at 14 m: 0.012 to 0.034 H; and the linear light left elsewhere: 0.60, 0.46, 0.34, 0.25, 0.18.
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
        return Rendered(with_light(dusk, light[..., None] * COLD), None)

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
