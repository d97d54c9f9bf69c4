"""Digits: handwritten-looking ones for MNIST, house numbers for SVHN."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.canvas import noise

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def _mask(
    digit: int, random: np.random.Generator, size: int, thickness: int, slant: float
) -> NDArray[np.float32]:
    """(size, size) float32 of one digit, slanted and bent."""
    canvas = np.zeros((size * 4, size * 4), dtype=np.uint8)
    font, scale = FONTS[int(random.integers(len(FONTS)))], size * 4 / 32
    (width, height), _ = cv2.getTextSize(str(digit), font, scale, thickness)
    origin = ((size * 4 - width) // 2, (size * 4 + height) // 2)
    cv2.putText(canvas, str(digit), origin, font, scale, 255, thickness, cv2.LINE_AA)
    drawn = canvas.astype(np.float32) / 255
    side = np.arange(size * 4, dtype=np.float32)
    columns, rows = np.meshgrid(side, side)
    bend = noise((size * 4, size * 4), random, size * 1.5, 2) * size * 0.1
    moved = cv2.remap(drawn, columns + slant * (rows - size * 2) + bend, rows + bend.T, cv2.INTER_LINEAR)
    return cv2.resize(moved, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def handwritten(digit: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """(28, 28) uint8: a white digit on black."""
    mask = _mask(digit, random, 28, int(random.integers(9, 15)), random.uniform(-0.35, 0.35))
    return np.clip(mask * 290, 0, 255).astype(np.uint8)


def house_number(digit: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """(32, 32, 3) uint8: a digit on a wall, its neighbours cut by the border."""
    wall, ink = random.uniform(0.1, 0.9, 3), random.uniform(0, 1, 3)
    ink = np.where(np.abs(ink - wall) < 0.3, np.clip(wall + np.where(wall < 0.5, 0.5, -0.5), 0, 1), ink)
    image: NDArray[Any] = np.broadcast_to(wall, (32, 32, 3)).astype(np.float32)
    image = image * (1 + 0.06 * noise((32, 32), random, 12, 3)[..., None])
    for offset in (-17, 17, 0):
        value = digit if offset == 0 else int(random.integers(10))
        mask = _mask(value, random, 32, int(random.integers(10, 18)), random.uniform(-0.15, 0.15))
        mask = np.roll(mask, offset, axis=1)
        mask[:, : max(offset, 0)] = 0
        if offset < 0:
            mask[:, offset:] = 0
        image = image * (1 - mask[..., None]) + ink * mask[..., None]
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), random.uniform(0.3, 1.0))
    return np.clip(image * random.uniform(0.7, 1.1) * 255, 0, 255).astype(np.uint8)
