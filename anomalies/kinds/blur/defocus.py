"""A lens out of focus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.blur._kernels import LENS_TOLERANCE, disc
from anomalies.scene import Scene
from anomalies.toolkit.fields import resized

RADIUS = (0.0015, 0.003, 0.005, 0.008, 0.012)
SMALLEST_RADIUS = (0.7, 0.9, 1.15, 1.45, 1.8)
FINEST_RADIUS = 2.5


@dataclass(frozen=True)
class Defocus(Anomaly):
    """Defocus: every point becomes a disc, the image of the aperture.

    The severity sets the radius of the disc: 0.0015, 0.003, 0.005, 0.008, 0.012 H, on small images at least 0.7,
    0.9, 1.15, 1.45, 1.8 pixels. The radius varies by up to 8 % along and across a random direction. Wide discs are
    computed on a smaller grid.
    """

    kind = "defocus"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        size, angle = 1 + rng.uniform(-LENS_TOLERANCE, LENS_TOLERANCE, 2), rng.uniform(0, math.pi)
        radius = max(self.of(RADIUS) * full[0], self.of(SMALLEST_RADIUS))
        factor = max(1, int(radius / FINEST_RADIUS))
        small = resized(image, (-(-full[0] // factor), -(-full[1] // factor)))
        kernel = disc(radius / factor * size[0], radius / factor * size[1], angle)
        soft: Any = cv2.filter2D(small, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return Rendered(resized(soft, full).reshape(image.shape), None)
