"""ImageNet-C's gaussian noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCGaussianNoise(Corruption):
    """Gaussian noise with a standard deviation of 0.08 to 0.38 of white."""

    kind = "imagenet_c_gaussian_noise"
    IMAGENET = (0.08, 0.12, 0.18, 0.26, 0.38)
    CIFAR = (0.04, 0.06, 0.08, 0.09, 0.10)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return truncated(image + noise * np.float32(255 * c))
