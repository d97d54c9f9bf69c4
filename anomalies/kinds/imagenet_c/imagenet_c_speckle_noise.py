"""ImageNet-C's speckle noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCSpeckleNoise(Corruption):
    """Noise proportional to the brightness, with a standard deviation of 0.15 to 0.6 of it."""

    kind = "imagenet_c_speckle_noise"
    IMAGENET = (0.15, 0.2, 0.35, 0.45, 0.6)
    CIFAR = (0.06, 0.1, 0.12, 0.16, 0.2)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return truncated(image * (1 + noise * np.float32(c)))
