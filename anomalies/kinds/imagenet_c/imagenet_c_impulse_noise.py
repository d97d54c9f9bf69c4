"""ImageNet-C's impulse noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption


class ImageNetCImpulseNoise(Corruption):
    """Salt and pepper noise in 3 to 27 % of the values."""

    kind = "imagenet_c_impulse_noise"
    IMAGENET = (0.03, 0.06, 0.09, 0.17, 0.27)
    CIFAR = (0.01, 0.02, 0.03, 0.05, 0.07)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        bits = np.frombuffer(rng.bytes(2 * image.size), dtype=np.uint16).reshape(image.shape)
        salt = (bits & 1).astype(np.uint8) * np.uint8(255)
        return np.where(bits >> 1 < c * 2**15, salt, image)
