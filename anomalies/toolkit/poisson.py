"""Poisson blending (Perez et al., SIGGRAPH 2003)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map


def poisson_blend(crop: Image, source: Image, inside: Map) -> Image:
    """The source's gradients inside, the crop's outside and its colours at the border: what is added to the crop
    has the divergence of the difference inside and is 0 at the border.

    Solved with sine transforms as matrix products, in float64 so that rounding cannot tell machines apart.
    """
    difference = source.astype(np.float64) - crop
    weight = inside.astype(np.float64)[..., None]
    across = np.diff(difference, axis=1) * np.minimum(weight[:, 1:], weight[:, :-1])
    down = np.diff(difference, axis=0) * np.minimum(weight[1:], weight[:-1])
    divergence = np.diff(across, axis=1)[1:-1] + np.diff(down, axis=0)[:, 1:-1]
    (rows, heights), (columns, widths) = (_sines(side) for side in divergence.shape[:2])
    eigenvalues = heights[:, None] + widths[None, :]
    added = np.zeros(crop.shape, dtype=np.float64)
    for channel in range(crop.shape[2]):
        spectrum = rows @ divergence[..., channel] @ columns / eigenvalues
        added[1:-1, 1:-1, channel] = rows @ spectrum @ columns
    return np.clip(np.rint(crop + added), 0, 255).astype(np.uint8)


def _sines(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The orthonormal eigenvectors (n, n) and eigenvalues (n,) of the second difference with zeros outside."""
    k = np.arange(1, n + 1)
    vectors = math.sqrt(2 / (n + 1)) * np.sin(np.pi / (n + 1) * np.outer(k, k))
    return vectors, 2 * np.cos(np.pi / (n + 1) * k) - 2
