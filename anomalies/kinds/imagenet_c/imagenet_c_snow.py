"""ImageNet-C's snow."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import enlarged, moved


class ImageNetCSnow(Corruption):
    """Falling snow over a brightened grey image. Constants: mean, standard deviation, size and threshold of the
    flakes, radius and sigma of their motion blur, weight of the image.
    """

    kind = "imagenet_c_snow"
    IMAGENET = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )
    CIFAR = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean, deviation, size, threshold, radius, sigma, weight = c
        degrees, shape = rng.uniform(-135, -45), (image.shape[0], image.shape[1])
        grid = (math.ceil(shape[0] / size), math.ceil(shape[1] / size))
        flakes = rng.standard_normal(grid, dtype=np.float32) * np.float32(deviation) + np.float32(mean)
        layer = enlarged(flakes, size, shape)
        layer = np.clip(np.where(layer < threshold, 0, layer), 0, 1).astype(np.float32)
        layer = np.rint(moved(layer, radius, sigma, degrees) * 255)
        grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        pale = np.float32(127.5) + np.float32(1.5) * grey[..., None]
        mixed = np.float32(weight) * image + np.float32(1 - weight) * np.maximum(image, pale)
        return truncated(mixed + (layer + layer[::-1, ::-1])[..., None])
