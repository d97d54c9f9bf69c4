"""ImageNet-C's pixelate."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption
from anomalies.kinds.imagenet_c._filters import boxes


class ImageNetCPixelate(Corruption):
    """Reduced to 0.6 to 0.25 of the size and enlarged by repetition."""

    kind = "imagenet_c_pixelate"
    IMAGENET = (0.6, 0.5, 0.4, 0.3, 0.25)
    CIFAR = (0.95, 0.9, 0.85, 0.75, 0.65)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        rows, columns = int(h * c), int(w * c)
        y, x = (np.arange(h) + 0.5) * (rows / h), (np.arange(w) + 0.5) * (columns / w)
        return boxes(image, (rows, columns))[y.astype(int)[:, None], x.astype(int)[None, :]]
