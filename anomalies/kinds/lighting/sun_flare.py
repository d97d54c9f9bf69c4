"""Lens flare of a sun in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, resized, working_shape
from anomalies.toolkit.light import LUMA, brightest_channel, luma, screened

VEIL = (0.25, 0.40, 0.55, 0.70, 0.85)
RADIUS = (0.05, 0.08, 0.12, 0.17, 0.24)
GHOSTS = (2, 3, 4, 6, 8)
INVISIBLE_LEVEL = 3
PLACES = 8
SUN = np.array([1.0, 0.96, 0.86], dtype=np.float32)


@dataclass(frozen=True)
class SunFlare(Anomaly):
    """The sun shines into the lens: a saturated disc with rays, a veil of stray light around it, and ghosts
    (reflections between lens elements) on the line through the image centre.

    The severity sets the strength of the veil: 0.25, 0.4, 0.55, 0.7, 0.85; the radius of the saturated disc: 0.05,
    0.08, 0.12, 0.17, 0.24 H; and the number of ghosts: 2, 3, 4, 6, 8. The sun is placed at the one of eight random
    places in the upper third that is brightest relative to its surroundings. Alpha is the added light as a share of
    the distance to white, and 0 where the image is already white because nothing is visible there.
    """

    kind = "sun_flare"
    family = "lighting"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        sun = _in_the_sky(rng, resized(image, shape))
        glare = self._glare(rng, shape, sun)[..., None] * SUN
        light = 1 - (1 - np.minimum(glare, 1)) * (1 - self._ghosts(rng, shape, sun))
        if image.shape[2] == 1:
            light = (light @ LUMA)[..., None]
        small = np.rint(255 * light).astype(np.uint8)
        levels: Any = cv2.threshold(resized(small, full), INVISIBLE_LEVEL, 255, cv2.THRESH_TOZERO)[1]
        drawn = screened(image, levels.reshape(image.shape))
        share = resized(brightest_channel(small), full).astype(np.float32) / np.float32(255)
        added: Any = cv2.subtract(drawn, image)
        change = brightest_channel(added.reshape(image.shape)).astype(np.float32)
        return Rendered(drawn, share * np.minimum(change / INVISIBLE_LEVEL, 1))

    def _glare(self, rng: np.random.Generator, shape: Shape, sun: tuple[float, float]) -> Map:
        """Dazzled disc, rays and veil, (h, w) from 0 to more than 1."""
        h, w = shape
        x = (np.arange(w, dtype=np.float32)[None, :] - np.float32(sun[0])) / h
        y = (np.arange(h, dtype=np.float32)[:, None] - np.float32(sun[1])) / h
        distance, angle = np.hypot(x, y), np.arctan2(y, x)
        radius = np.float32(self.of(RADIUS))
        disc = np.exp(-distance / (0.45 * radius))
        veil = self.of(VEIL) * (0.15 + 0.85 / (1 + distance / (0.12 + 2 * radius)) ** 2)
        phases, counts = rng.uniform(0, 2 * np.pi, 3), (7, 11, 16)
        rays = sum(np.cos(n * angle + np.float32(phase)) for n, phase in zip(counts, phases, strict=True))
        rays = np.maximum(rays, 0) / 3 * np.exp(-distance / (2.5 * radius))
        return 2.2 * disc + veil + 0.45 * self.of(VEIL) * rays

    def _ghosts(self, rng: np.random.Generator, shape: Shape, sun: tuple[float, float]) -> Map:
        """Coloured discs, (h, w, 3) in [0, 1]."""
        h, w = shape
        most = GHOSTS[-1]
        places, sizes = rng.uniform(0.35, 2.1, most), rng.uniform(0.012, 0.06, most)
        tints = 0.4 + 0.6 * rng.random((most, 3))
        strengths = rng.uniform(0.3, 0.6, most) * self.of(VEIL)
        light = np.zeros((h, w, 3), dtype=np.float32)
        for i in range(self.of(GHOSTS)):
            x, y = (s + places[i] * (c / 2 - s) for s, c in zip(sun, (w, h), strict=True))
            disc = np.zeros((h, w), dtype=np.float32)
            centre, radius = (round(16 * x), round(16 * y)), max(12, round(16 * sizes[i] * h))
            cv2.circle(disc, centre, radius, 0.7, -1, cv2.LINE_8, 4)
            cv2.circle(disc, centre, radius, 1.0, max(1, h // 128), cv2.LINE_8, 4)
            light += (strengths[i] * tints[i]).astype(np.float32) * disc[..., None]
        light = blurred(light, max(0.5, 0.004 * h))
        return np.minimum(light, 1)


def _in_the_sky(rng: np.random.Generator, small: Image) -> tuple[float, float]:
    """(x, y) of the sun, in pixels: a bright place with darker ones around it, low in the sky rather than in
    the middle of a white one, where nobody would see it.
    """
    h, w = small.shape[:2]
    x, y = rng.uniform(0.1, 0.9, PLACES) * w, rng.uniform(0.05, 0.33, PLACES) * h
    brightness = luma(small)
    contrast = blurred(brightness, 0.04 * h) - np.float32(0.6) * blurred(brightness, 0.2 * h)
    best = int(np.argmax(contrast[y.astype(int), x.astype(int)]))
    return float(x[best]), float(y[best])
