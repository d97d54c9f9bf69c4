"""ImageNet-C's fog."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomalies.base import Image, Map
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated


class ImageNetCFog(Corruption):
    """Plasma fractal added to the image; the sum is scaled to the maximum of the image. Constants: strength, decay
    of the details.
    """

    kind = "imagenet_c_fog"
    IMAGENET = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
    CIFAR = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        layer = plasma(rng, max(h, w), c[1])[:h, :w, None] * np.float32(255 * c[0])
        brightest = max(int(image.max()), 1) / 255
        return truncated((image + layer) * np.float32(brightest / (brightest + c[0])))


def plasma(rng: np.random.Generator, side: int, decay: float) -> Map:
    """Diamond-square fractal from 0 to 1, periodic, (n, n) float32 with the smallest power of two n >= side.

    Args:
        decay: the noise of each halving of the grid is this squared times smaller.
    """
    field, amplitude = np.zeros((1, 1), dtype=np.float32), np.float32(1)
    while field.shape[0] < side:
        n = field.shape[0]
        noise = rng.random((3, n, n), dtype=np.float32) * (2 * amplitude) - amplitude
        right, down = np.roll(field, -1, axis=1), np.roll(field, -1, axis=0)
        centre = (field + right + down + np.roll(right, -1, axis=0)) / 4 + noise[0]
        finer = np.empty((2 * n, 2 * n), dtype=np.float32)
        finer[::2, ::2], finer[1::2, 1::2] = field, centre
        finer[::2, 1::2] = (field + right + centre + np.roll(centre, 1, axis=0)) / 4 + noise[1]
        finer[1::2, ::2] = (field + down + centre + np.roll(centre, 1, axis=1)) / 4 + noise[2]
        field, amplitude = finer, np.float32(amplitude / decay**2)
    field -= field.min()
    return field / max(field.max(), np.float32(1e-6))
