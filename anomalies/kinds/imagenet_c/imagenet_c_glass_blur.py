"""ImageNet-C's glass blur."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import gaussian, shuffled


class ImageNetCGlassBlur(Corruption):
    """Pixels exchanged with nearby ones, between two blurs. Constants: blur, distance, number of repetitions."""

    kind = "imagenet_c_glass_blur"
    IMAGENET = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    CIFAR = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        sigma, delta, times = c
        drawn = truncated(gaussian(image, sigma))
        for _ in range(times):
            drawn = shuffled(drawn, rng, delta)
        return truncated(gaussian(drawn, sigma))
