"""ImageNet-C's gaussian blur."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import gaussian


class ImageNetCGaussianBlur(Corruption):
    """Gaussian blur with a standard deviation of 1 to 6 pixels."""

    kind = "imagenet_c_gaussian_blur"
    IMAGENET = (1, 2, 3, 4, 6)
    CIFAR = (0.4, 0.6, 0.7, 0.8, 1)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        return truncated(gaussian(image, c))
