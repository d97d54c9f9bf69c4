"""Uniform softness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.blur._kernels import LENS_TOLERANCE
from anomalies.scene import Scene
from anomalies.toolkit.fields import blurred

SIGMA = (0.001, 0.002, 0.003, 0.005, 0.008)
SMALLEST_SIGMA = (0.45, 0.58, 0.72, 0.9, 1.15)


@dataclass(frozen=True)
class GaussianBlur(Anomaly):
    """Softness as from a smeared filter glass or strong noise reduction.

    The severity sets the standard deviation: 0.001, 0.002, 0.003, 0.005, 0.008 H, on small images at least 0.45,
    0.58, 0.72, 0.9, 1.15 pixels. It varies by up to 8 %.
    """

    kind = "gaussian_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        sigma = max(self.of(SIGMA) * image.shape[0], self.of(SMALLEST_SIGMA))
        soft = blurred(image, sigma * (1 + rng.uniform(-LENS_TOLERANCE, LENS_TOLERANCE)))
        return Rendered(soft.reshape(image.shape), None)
