"""ImageNet-C's contrast."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCContrast(Corruption):
    """Differences from the mean of each channel times 0.4 to 0.05."""

    kind = "imagenet_c_contrast"
    IMAGENET = (0.4, 0.3, 0.2, 0.1, 0.05)
    CIFAR = (0.75, 0.5, 0.4, 0.3, 0.15)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean = np.array(cv2.mean(image)[:3])
        table = truncated((np.arange(256)[:, None] - mean) * c + mean)
        return np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)))
