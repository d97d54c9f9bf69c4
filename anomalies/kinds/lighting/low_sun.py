"""Driving towards a low sun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import ROAD, SKY, Scene
from anomalies.toolkit.depth import below_horizon, labelled_ground
from anomalies.toolkit.fields import blurred, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.light import luma, with_light

SUN_VEIL = (0.22, 0.34, 0.46, 0.58, 0.70)
SUN_RADIUS = (0.05, 0.075, 0.11, 0.15, 0.20)
GLINT = (0.30, 0.42, 0.54, 0.66, 0.78)
PLACES = 16
GOLD = np.array([1.0, 0.90, 0.68], dtype=np.float32)


@dataclass(frozen=True)
class LowSun(Anomaly):
    """Driving towards a low sun: a golden veil from just above the horizon and its glint on the road below.

    The severity sets the strength of the veil: 0.22 to 0.70; the radius of the saturated disc: 0.05 to 0.20 H; and
    the strength of the glint: 0.30 to 0.78. The glint lies on the labelled road, or below the horizon without
    labels.
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
            with_light(image, light[..., None] * GOLD + np.minimum(disc, 1)[..., None] * (1 - GOLD)), None
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
