"""Generated outliers that need no data: dead leaves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

DISCS = 40


def dead_leaves(count: int, seed: int = 0, size: int = 32) -> NDArray[np.uint8]:
    """(count, size, size, 3) uint8: discs with radii of density r^-3 cover each other (Lee, Mumford & Huang,
    2001): the statistics of natural images without an object.
    """
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    for index, image in enumerate(images):
        random = np.random.default_rng([seed, index])
        image[:] = random.integers(0, 256, 3)
        radii = 1.5 / np.sqrt(1 - random.uniform(0, 0.99, DISCS))
        centres, colours = random.uniform(0, size, (DISCS, 2)), random.integers(0, 256, (DISCS, 3))
        for (x, y), radius, colour in zip(centres, radii, colours, strict=True):
            cv2.circle(
                image, (round(x * 8), round(y * 8)), round(radius * 8), colour.tolist(), -1, cv2.LINE_AA, 3
            )
    return images
