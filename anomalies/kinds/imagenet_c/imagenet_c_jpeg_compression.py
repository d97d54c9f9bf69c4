"""ImageNet-C's jpeg compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption


class ImageNetCJpegCompression(Corruption):
    """JPEG compression with a quality of 25 to 7."""

    kind = "imagenet_c_jpeg_compression"
    IMAGENET = (25, 18, 15, 10, 7)
    CIFAR = (80, 65, 58, 50, 40)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        bgr = np.ascontiguousarray(image[..., ::-1])
        code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, c])[1]
        decoded: Any = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return np.ascontiguousarray(decoded[..., ::-1])
