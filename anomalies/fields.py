"""Random fields and blurs, fast: computed at a quarter of the resolution and enlarged once."""

from __future__ import annotations

import cv2
import numpy as np

from anomalies.base import Field

cv2.setNumThreads(0)


def resize(field: Field, shape: tuple[int, int]) -> Field:
    """(h, w[, C]) to (H, W[, C]), bicubic when enlarging, area when shrinking."""
    height, width = shape
    shrink = field.shape[0] > height
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)  # type: ignore[return-value]


def quarter(shape: tuple[int, int]) -> tuple[int, int]:
    """A quarter of the size, but no side below 16 pixels unless the image's own is."""
    return tuple(min(side, max(16, side // 4)) for side in shape)  # type: ignore[return-value]


def fbm(
    shape: tuple[int, int],
    random: np.random.Generator,
    scale: float = 0.25,
    octaves: int = 5,
    stretch: float = 1.0,
) -> Field:
    """Fractional Brownian motion in [0, 1], median .5.

    Args:
        shape: (H, W) of the result.
        scale: size of the coarsest features, fraction of the height.
        octaves: each has twice the frequency and half the amplitude of the one before.
        stretch: how much longer features are along the width.
    """
    small = quarter(shape)
    total = np.zeros(small, dtype=np.float32)
    for octave in range(octaves):
        cell = max(scale * small[0] / 2**octave, 1.0)
        grid = (max(2, int(small[0] / cell) + 2), max(2, int(small[1] / (cell * stretch)) + 2))
        total += resize(random.random(grid, dtype=np.float32) - 0.5, small) * 0.5**octave
    ranks = np.interp(total.ravel(), np.quantile(total, np.linspace(0, 1, 33)), np.linspace(0, 1, 33))
    return np.clip(resize(ranks.reshape(small).astype(np.float32), shape), 0, 1)


def blur(image: Field, sigma: float) -> Field:
    """Gaussian blur with sigma in pixels; large ones at reduced resolution."""
    if sigma < 0.3:
        return image
    factor = max(1, int(sigma / 2))
    if factor == 1:
        return cv2.GaussianBlur(image, (0, 0), sigma)  # type: ignore[return-value]
    small = (max(2, image.shape[0] // factor), max(2, image.shape[1] // factor))
    return resize(cv2.GaussianBlur(resize(image, small), (0, 0), sigma / factor), image.shape[:2])  # type: ignore[arg-type]


def smoothstep(x: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((x - low) / max(high - low, 1e-6), 0, 1)
    return t * t * (3 - 2 * t)


def grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Row (H, 1) and column (1, W) of every pixel as fractions of the height."""
    height = shape[0]
    rows, columns = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in shape)
    return (rows / height)[:, None].astype(np.float32), (columns / height)[None].astype(np.float32)


def blend(image: Field, paint: Field, alpha: Field) -> Field:
    """alpha * paint + (1 - alpha) * image."""
    return image + (paint - image) * alpha[..., None]
