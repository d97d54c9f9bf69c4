"""ImageNet-C's saturate."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCSaturate(Corruption):
    """The HSV saturation times the first constant plus the second. Grey is assigned the hue of red."""

    kind = "imagenet_c_saturate"
    IMAGENET = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))
    CIFAR = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        channels: Any = cv2.split(image)
        value, least = (
            cv2.max(cv2.max(*channels[:2]), channels[2]),
            cv2.min(cv2.min(*channels[:2]), channels[2]),
        )
        spread = np.arange(256, dtype=np.float32)[None, :]
        v = np.arange(256, dtype=np.float32)[:, None]
        wanted = v * np.clip(c[0] * spread / np.maximum(v, 1) + c[1], 0, 1)
        factor = np.where(spread > 0, wanted / np.maximum(spread, 1), wanted)[
            value, cv2.subtract(value, least)
        ]
        below = cv2.subtract(np.repeat(np.asarray(value)[..., None], 3, axis=2), image)
        below[..., 1:][value == least] = 1
        return truncated(np.asarray(value)[..., None] - below * factor[..., None])
