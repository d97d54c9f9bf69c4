"""Smooth random fields and fast blurs.

Fields are soft, so large images compute them on a smaller working grid and enlarge the result.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Map

Shape = tuple[int, int]


def working_shape(shape: Shape) -> Shape:
    """(h, w) of the grid for fields over an (H, W) image: a quarter from 512 rows, a half from 256, else
    all.
    """
    factor = 4 if shape[0] >= 512 else 2 if shape[0] >= 256 else 1
    return -(-shape[0] // factor), -(-shape[1] // factor)


def resized(array: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """The array at another (h, w): averaged when smaller, bilinear when larger. A grey third axis is
    dropped.
    """
    if array.shape[:2] == shape:
        return array.reshape(shape) if array.size == shape[0] * shape[1] else array
    how = cv2.INTER_AREA if shape[0] < array.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(array, shape[::-1], interpolation=how)


def blurred(array: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Gaussian blur of an (h, w) or (h, w, c) array; wide ones (sigma > 4 pixels) on a smaller grid."""
    if sigma < 0.1:
        return array
    shape = (array.shape[0], array.shape[1])
    factor = max(1, min(int(sigma / 2), min(shape) // 4))
    if factor > 1:
        small = resized(array, (-(-shape[0] // factor), -(-shape[1] // factor)))
        return resized(cv2.GaussianBlur(small, (0, 0), sigma / factor), shape)
    return cv2.GaussianBlur(array, (0, 0), sigma)


def fbm(rng: np.random.Generator, shape: Shape, cell: float, octaves: int = 6, gain: float = 0.5) -> Map:
    """Fractional Brownian motion: noise of halving sizes, each with ``gain`` times the amplitude.

    Built up as a pyramid, so it costs little more than its last enlargement.

    Args:
        shape: (h, w) of the field.
        cell: size of the largest features, in its pixels. Octaves below one pixel are left out.

    Returns:
        (h, w) float32 with mean 0 and standard deviation 1.
    """
    field: Any = np.zeros((1, 1), dtype=np.float32)
    for octave in range(octaves):
        size = cell / 2**octave
        if octave and size < 1:
            break
        grid = (min(shape[0], math.ceil(shape[0] / size) + 1), min(shape[1], math.ceil(shape[1] / size) + 1))
        noise = rng.standard_normal(grid, dtype=np.float32) * np.float32(gain**octave)
        field = noise if octave == 0 else cv2.resize(field, grid[::-1], interpolation=cv2.INTER_CUBIC) + noise
    field = cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC).reshape(shape)
    mean, deviation = cv2.meanStdDev(field)
    return (field - np.float32(mean.item())) / np.float32(max(deviation.item(), 1e-6))


def warped(field: Map, rng: np.random.Generator, amount: float, cell: float) -> Map:
    """The field with its points displaced at random: smooth blobs become lobed and torn.

    Args:
        amount: typical displacement, in the field's pixels.
        cell: size of the displacement's features, in the field's pixels.
    """
    shape = (field.shape[0], field.shape[1])
    dx, dy = (fbm(rng, shape, cell, octaves=3) * np.float32(amount) for _ in range(2))
    rows, columns = np.indices(shape, dtype=np.float32)
    moved: Any = cv2.remap(field, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return moved


def smoothstep(x: NDArray[Any], low: float, high: float) -> Map:
    """0 below ``low``, 1 above ``high``, a smooth rise between."""
    t = np.clip((x - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    return t * t * (3 - 2 * t)
