"""ImageNet-C's motion blur."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import moved


class ImageNetCMotionBlur(Corruption):
    """Blur along one direction up to 45 degrees from horizontal with half a Gaussian. Constants: radius, sigma."""

    kind = "imagenet_c_motion_blur"
    IMAGENET = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    CIFAR = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        radius, sigma = c
        return truncated(moved(image, radius, sigma, rng.uniform(-45, 45)))
