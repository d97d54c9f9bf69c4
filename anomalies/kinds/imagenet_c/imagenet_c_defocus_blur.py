"""ImageNet-C's defocus blur."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import disc


class ImageNetCDefocusBlur(Corruption):
    """Blur with a disc. Constants: radius (3 to 10 pixels), softness of its edge."""

    kind = "imagenet_c_defocus_blur"
    IMAGENET = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
    CIFAR = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        return truncated(np.asarray(cv2.filter2D(image, cv2.CV_32F, disc(*c))))
