"""ImageNet-C's shot noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image
from anomalies.kinds.imagenet_c._corruption import Corruption
from anomalies.kinds.imagenet_c._filters import QUANTILES, poisson_quantiles


class ImageNetCShotNoise(Corruption):
    """Poisson noise with 60 to 3 photons in a white pixel; each pixel takes one of 4096 quantiles."""

    kind = "imagenet_c_shot_noise"
    IMAGENET = (60, 25, 12, 5, 3)
    CIFAR = (500, 250, 100, 75, 50)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        which = np.frombuffer(rng.bytes(2 * image.size), dtype=np.uint16) >> np.uint16(4)
        index = image.ravel().astype(np.int32) * np.int32(QUANTILES) + which
        return poisson_quantiles(c)[index].reshape(image.shape)
