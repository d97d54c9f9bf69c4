"""ImageNet-C's brightness."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCBrightness(Corruption):
    """The HSV value plus 0.1, 0.2, 0.3, 0.4, 0.5."""

    kind = "imagenet_c_brightness"
    IMAGENET = (0.1, 0.2, 0.3, 0.4, 0.5)
    CIFAR = (0.05, 0.1, 0.15, 0.2, 0.3)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        value = np.arange(256)[:, None]
        lit = np.minimum(value + 255 * c, 255)
        table = truncated(np.where(value > 0, np.arange(256) * lit / np.maximum(value, 1), lit))
        return table[image.max(axis=2)[..., None], image]
