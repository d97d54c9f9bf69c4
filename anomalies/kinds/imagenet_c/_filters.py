"""The filters of ImageNet-C, vectorised. They use pixels and [0, 255] in float32 where the original uses [0, 1]."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.fields import Shape

QUANTILES = 4096


def gaussian(image: NDArray[Any], sigma: float | tuple[float, float], truncate: float = 4.0) -> NDArray[Any]:
    """scikit-image's Gaussian filter: cut off at ``truncate`` sigma, border pixels repeated.

    Args:
        image: (H, W) or (H, W, C) uint8 or float32.
        sigma: of rows and columns, in pixels.

    Returns:
        float32, shape of the input.
    """
    down, right = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    kernels = [_bell(down, truncate), _bell(right, truncate)]
    soft: Any = cv2.sepFilter2D(image, cv2.CV_32F, kernels[1], kernels[0], borderType=cv2.BORDER_REPLICATE)
    return soft.reshape(image.shape)


def _bell(sigma: float, truncate: float) -> Map:
    radius = int(truncate * sigma + 0.5)
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    return (bell / bell.sum()).astype(np.float32)


def disc(radius: float, alias_blur: float) -> Map:
    """Kernel of a lens out of focus, at least 17 x 17 pixels, its edge softened."""
    reach, soft = (8, 3) if radius <= 8 else (int(radius), 5)
    x = np.arange(-reach, reach + 1)
    inside = (x[None, :] ** 2 + x[:, None] ** 2 <= radius**2).astype(np.float32)
    kernel: Any = cv2.GaussianBlur(inside / inside.sum(), (soft, soft), alias_blur)
    return kernel


def moved(image: NDArray[Any], radius: int, sigma: float, degrees: float) -> NDArray[Any]:
    """Motion blur: a Gaussian's right half, 2 x radius + 1 pixels long, in one direction. Float32."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    down, right = (
        np.ceil(steps * part - 0.5).astype(int)
        for part in (math.sin(math.radians(degrees)), math.cos(math.radians(degrees)))
    )
    inside = (np.abs(down) < image.shape[0]) & (np.abs(right) < image.shape[1])
    reach = 2 * radius + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (down[inside] + reach, right[inside] + reach), (weights / weights.sum())[inside])
    y, x = (np.flatnonzero(kernel.any(axis=axis)) for axis in (1, 0))
    small = kernel[y[0] : y[-1] + 1, x[0] : x[-1] + 1].astype(np.float32)
    anchor = (reach - int(x[0]), reach - int(y[0]))
    blur: Any = cv2.filter2D(image, cv2.CV_32F, small, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    return blur.reshape(image.shape)


def middle(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """The middle 1 / factor of an image, rounded up."""
    kept = [math.ceil(side / factor) for side in image.shape[:2]]
    top, left = ((side - part) // 2 for side, part in zip(image.shape[:2], kept, strict=True))
    return image[top : top + kept[0], left : left + kept[1]]


def enlarged(image: NDArray[Any], factor: float, shape: Shape) -> NDArray[Any]:
    """An image times a factor, linearly, its corner pixels on the corners, as SciPy's zoom does it; of that the (H, W)
    at the upper left.
    """
    matrix = np.zeros((2, 3))
    for axis, side in enumerate(image.shape[1::-1]):
        matrix[axis, axis] = (side - 1) / max(round(side * factor) - 1, 1)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large: Any = cv2.warpAffine(image, matrix, shape[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
    return large


def shuffled(image: Image, rng: np.random.Generator, delta: int) -> Image:
    """Each pixel replaced by one at up to ``delta`` pixels distance, one after the other from the last to the
    first, so that pixels already replaced are passed on.

    Those chains are followed for all pixels at once: a chain ends where a pixel takes from one before it, which
    is still the original.
    """
    h, w = image.shape[:2]
    if min(h, w) <= 2 * delta:
        return image.copy()
    rows, columns = h - 2 * delta, w - 2 * delta
    steps = np.frombuffer(rng.bytes(2 * rows * columns), dtype=np.uint8).reshape(2, rows, columns)
    down, right = (steps.astype(np.int32) * (2 * delta) >> 8) - delta
    index = np.arange(h * w, dtype=np.int32).reshape(h, w)
    middle = (slice(delta + 1, h - delta + 1), slice(delta + 1, w - delta + 1))
    source = index.copy()
    source[middle] += down * np.int32(w) + right
    replaced = np.zeros((h, w), dtype=bool)
    replaced[middle] = True
    taken = source.ravel()
    passed_on = (taken > index.ravel()) & replaced.ravel()
    passed_on[passed_on] = replaced.ravel()[taken[passed_on]]
    final, active = taken.copy(), np.flatnonzero(passed_on)
    while active.size:
        via = final[active]
        final[active] = taken[via]
        active = active[passed_on[via]]
    return image.reshape(h * w, -1)[final].reshape(image.shape)


def boxes(image: Image, shape: Shape) -> Image:
    """Pillow's box resize to (h, w): the mean of the pixels whose centres are in the box, columns first, rounded."""
    for axis in (1, 0):
        large, small = image.shape[axis], shape[axis]
        edges = np.floor(np.arange(small + 1) * (large / small) + 0.5).astype(int)
        sums = np.add.reduceat(image, edges[:-1], axis=axis, dtype=np.float32)
        sizes = np.diff(edges).astype(np.float32).reshape((-1, 1) if axis else (-1, 1, 1))
        image = (sums / sizes + np.float32(0.5)).astype(np.uint8)
    return image


@lru_cache(maxsize=5)
def poisson_quantiles(photons: float) -> NDArray[np.uint8]:
    """Brightness of a pixel with Poisson noise, (256 x 4096) uint8: for each level, its quantiles.

    Args:
        photons: mean number in a white pixel.
    """
    u = (np.arange(QUANTILES) + 0.5) / QUANTILES
    levels = np.arange(256) / 255 * photons
    counts = np.arange(int(photons + 6 * math.sqrt(photons) + 20))
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(counts[1:]))))
    logs = counts * np.log(np.maximum(levels, 1e-12))[:, None] - levels[:, None] - log_factorials
    reached = np.cumsum(np.exp(logs), axis=1)
    found = np.stack([np.searchsorted(row, u) for row in reached])
    return np.minimum(found * (255 / photons) + 1e-6, 255).astype(np.uint8).ravel()
