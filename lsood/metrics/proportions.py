"""Intervals of shares in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from lsood.metrics.curve import Array


def wilson(share: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Score interval of a share of n independent images (Wilson 1927); n need not be a whole number. It holds the
    share, lies in [0, 1] and has a width also at shares 0 and 1. For arrays element by element.

    Example:
        >>> [round(float(v), 3) for v in wilson(1.0, 10)]
        [0.722, 1.0]
    """
    p = np.asarray(share, dtype=np.float64)
    z = ndtri(0.5 + level / 2) ** 2 / np.asarray(n, dtype=np.float64)
    centre, half = p + z / 2, np.sqrt(z * p * (1 - p) + z * z / 4)
    low, high = (centre - half) / (1 + z), (centre + half) / (1 + z)
    return np.minimum(np.maximum(low, 0), p), np.maximum(np.minimum(high, 1), p)


def wilson_effective(
    share: ArrayLike, variance: ArrayLike, images: float, level: float = 0.95
) -> tuple[Array, Array]:
    """Wilson's interval with the number of images that the variance of an estimated share stands for,

        (A (1 - A) + 1/(4 M)) / (V + 1/(4 M^2)),

    for share A, its variance V and M images: A (1 - A) / V with one image of the largest variance, 1/4, added. Where
    V is estimated from images that are all alike it is 0 and says nothing; the number then goes to M.
    """
    p, v = np.asarray(share, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    return wilson(p, (p * (1 - p) + 0.25 / images) / (v + 0.25 / images**2), level)


def effective_number(names: Sequence[str]) -> float:
    """How many independent images images of these sources stand for at least (Kish 1965): all where names are
    distinct, one where all are the same.

    Example:
        >>> effective_number(["a", "b", "b"])
        1.8
    """
    counts = np.unique(np.asarray(names), return_counts=True)[1].astype(np.float64)
    return float(counts.sum() ** 2 / (counts**2).sum())
