"""Light falloff towards the corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import resized, working_shape

FALLOFF = (0.30, 0.45, 0.60, 0.75, 0.90)


@dataclass(frozen=True)
class Vignetting(Anomaly):
    """The image gets darker towards its corners, as with a lens hood or filter in the way.

    The severity sets the share of light missing in the corner that is farthest from the optical centre: 0.30, 0.45,
    0.60, 0.75, 0.90. The falloff is half quadratic, half quartic in the distance from the optical centre, which is
    up to 0.08 H off the image centre.
    """

    kind = "vignetting"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        h, w = working_shape(full)
        dx, dy = rng.uniform(-0.08, 0.08, 2) * h
        x = (np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2 + dx))[None, :]
        y = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2 + dy))[:, None]
        squared = x**2 + y**2
        squared = squared / squared.max()
        gain = 255 * (1 - np.float32(self.of(FALLOFF)) * (squared + squared**2) / 2)
        small = np.repeat(np.rint(gain).astype(np.uint8)[..., None], image.shape[2], axis=2)
        drawn: Any = cv2.multiply(image, resized(small, full).reshape(image.shape), scale=1 / 255)
        return Rendered(drawn, None)
