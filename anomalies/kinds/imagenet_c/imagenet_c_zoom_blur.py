"""ImageNet-C's zoom blur."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import enlarged, middle


class ImageNetCZoomBlur(Corruption):
    """The mean of the image and of its enlargements by 1 to 1.11 ... 1.31. Constants: end, step."""

    kind = "imagenet_c_zoom_blur"
    IMAGENET = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    CIFAR = ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        factors, total, shape = np.arange(1, *c), image.astype(np.float32), (image.shape[0], image.shape[1])
        for factor in factors:
            cv2.accumulate(enlarged(middle(image, factor), factor, shape), total)
        return truncated(total / np.float32(len(factors) + 1))
