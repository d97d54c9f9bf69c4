"""ImageNet-C's frost."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image, Map
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.toolkit.fields import Shape, fbm, warped

ICE = np.array([146, 167, 179], dtype=np.float32)
FROST_CELL = 90


class ImageNetCFrost(Corruption):
    """Frost added to the image. Constants: weight of the image, weight of the frost. The published frost is six
    photographs without a licence; here crystals with their mean brightness are drawn.
    """

    kind = "imagenet_c_frost"
    IMAGENET = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
    CIFAR = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        shape = (image.shape[0], image.shape[1])
        layer = _crystals(rng, shape)[..., None] * ICE * np.float32(c[1])
        return truncated(image * np.float32(c[0]) + layer)


def _crystals(rng: np.random.Generator, shape: Shape) -> Map:
    """Relative brightness of frost on a pane, mean 1: feathers of ice that grow along the ridges of a torn field."""
    grid = (max(shape[0], 64) // 2, max(shape[1], 64) // 2)
    cell = FROST_CELL / 2
    ridges = [
        1 - np.abs(warped(fbm(rng, grid, cell / s, 4, 0.6), rng, 0.25 * cell / s, cell / s)) for s in (1, 3)
    ]
    feathers = np.maximum(ridges[0], 0) ** 2 + 0.7 * np.maximum(ridges[1], 0) ** 3
    density = np.clip(1 + 0.35 * fbm(rng, grid, 3 * cell, 3), 0.2, 2)
    grain = rng.standard_normal(grid, dtype=np.float32) * np.float32(0.06)
    frost: Any = cv2.resize(feathers * density + grain, (2 * grid[1], 2 * grid[0]))[: shape[0], : shape[1]]
    frost = cv2.resize(frost, shape[::-1]) if frost.shape != shape else frost
    frost = np.maximum(frost, 0)
    return (0.6 + 0.4 * frost / max(frost.mean(), np.float32(1e-6))).astype(np.float32)
