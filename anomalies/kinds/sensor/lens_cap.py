"""A partly covered lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import blurred, resized, smoothstep, working_shape
from anomalies.toolkit.light import enlarged_alpha, over

COVERED = (0.20, 0.40, 0.60, 0.80, 0.95)


@dataclass(frozen=True)
class LensCap(Anomaly):
    """Something dark covers the lens from below or from the side: a slipped cap or hood, a sticker, a hand. It is
    so close that its edge is a wide, soft shadow.

    The severity sets the covered share of the image (opacity >= 0.5): 0.20, 0.40, 0.60, 0.80, 0.95. The edge is
    0.16 H wide, slightly curved, and rotated by up to 55 degrees. The cover reflects a little of the surrounding
    light and has at least 9 levels.
    """

    kind = "lens_cap"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        h, w = shape = working_shape(full)
        angle, bend = np.radians(rng.uniform(-55, 55)), rng.uniform(-0.25, 0.25)
        x = ((np.arange(w, dtype=np.float32) - np.float32(w / 2)) / h)[None, :]
        y = ((np.arange(h, dtype=np.float32) - np.float32(h / 2)) / h)[:, None]
        depth = y * np.float32(np.cos(angle)) + x * np.float32(np.sin(angle))
        along = x * np.float32(np.cos(angle)) - y * np.float32(np.sin(angle))
        depth = depth + np.float32(bend) * along**2
        edge = float(np.quantile(depth, 1 - self.of(COVERED)))
        opacity = smoothstep(depth, edge - 0.08, edge + 0.08)
        small = resized(image, shape).reshape(*shape, -1)
        light = blurred(small, 0.2 * h).reshape(small.shape).astype(np.float32)
        cover = np.rint(np.minimum(9 + 0.06 * light, 255)).astype(np.uint8)
        alpha = enlarged_alpha(opacity, full)
        return Rendered(over(image, resized(cover, full).reshape(image.shape), alpha), alpha)
