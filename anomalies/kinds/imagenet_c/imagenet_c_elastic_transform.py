"""ImageNet-C's elastic transform."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption
from anomalies.kinds.imagenet_c._filters import gaussian
from anomalies.toolkit.fields import resized, working_shape


class ImageNetCElasticTransform(Corruption):
    """Elastic displacement. Constants: amplitude and smoothness of the displacement field and displacement of three
    corners, as fractions of the image.
    """

    kind = "imagenet_c_elastic_transform"
    IMAGENET = ((0.0625, 0.01, 0), (0.08125, 0.01, 0), (0.10625, 0.01, 0), (0.125, 0.01, 0), (0.15, 0.01, 0))
    CIFAR = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        amount, smoothness, corners = c
        h, w = image.shape[:2]
        grid = working_shape((h, w))
        # White noise on a coarser grid, blurred over as many cells fewer, deviates by as much more.
        scale = np.float32(amount * h * grid[0] / h)
        maps = []
        for start in np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (w, h))):
            noise = rng.uniform(-1, 1, grid).astype(np.float32)
            soft = gaussian(noise, (smoothness * grid[0], smoothness * grid[1]), truncate=3)
            maps.append(start + resized(soft * scale, (h, w)))
        middle, side = np.array([h // 2, w // 2], dtype=np.float32), min(h, w) // 3
        here = np.array(
            [middle + side, [middle[0] + side, middle[1] - side], middle - side], dtype=np.float32
        )
        there = here + rng.uniform(-1, 1, here.shape).astype(np.float32) * np.float32(corners * h)
        if corners:
            matrix = cv2.getAffineTransform(here, there)
            image = np.asarray(cv2.warpAffine(image, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101))
        return np.asarray(cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
