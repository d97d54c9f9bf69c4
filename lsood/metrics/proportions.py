"""Intervals of shares, and of other quantities with bounds, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri, stdtrit

from lsood.metrics.curve import Array


def quantile(level: float = 0.95, degrees: float = np.inf) -> float:
    """Half-width of a two-sided interval in standard deviations: of the normal distribution, or of Student's."""
    upper = 0.5 + level / 2
    return float(ndtri(upper) if np.isinf(degrees) else stdtrit(degrees, upper))


def wilson(
    share: ArrayLike, n: ArrayLike, level: float = 0.95, degrees: float = np.inf
) -> tuple[Array, Array]:
    """Score interval of a share of n independent images (Wilson 1927); n need not be a whole number. It holds the
    share, lies in [0, 1] and has a width also at shares 0 and 1. For arrays element by element.

    Example:
        >>> [round(float(v), 3) for v in wilson(1.0, 10)]
        [0.722, 1.0]
    """
    p = np.asarray(share, dtype=np.float64)
    z = quantile(level, degrees) ** 2 / np.asarray(n, dtype=np.float64)
    centre, half = p + z / 2, np.sqrt(z * p * (1 - p) + z * z / 4)
    low, high = (centre - half) / (1 + z), (centre + half) / (1 + z)
    return np.minimum(np.maximum(low, 0), p), np.maximum(np.minimum(high, 1), p)


def wilson_effective(
    share: ArrayLike, variance: ArrayLike, images: float, level: float = 0.95, degrees: float = np.inf
) -> tuple[Array, Array]:
    """Wilson's interval with the number of images that the variance of an estimated share stands for,

        (A (1 - A) + 1/(4 M)) / (V + 1/(4 M^2)),

    for share A, its variance V and M images: A (1 - A) / V with one image of the largest variance, 1/4, added. Where
    V is estimated from images that are all alike it is 0 and says nothing; the number then goes to M.

    Args:
        degrees: of freedom of V.
    """
    p, v = np.asarray(share, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    return wilson(p, (p * (1 - p) + 0.25 / images) / (v + 0.25 / images**2), level, degrees)


def score_effective(
    mean: ArrayLike, variance: ArrayLike, images: float, level: float = 0.95, degrees: float = np.inf
) -> tuple[Array, Array]:
    """As :func:`wilson_effective` of a mean that has no upper bound, such as errors per object: the m with
    (mean - m)^2 = z^2 m f, f = (V + 1/(4 M^2)) / (mean + 1/(4 M)), Poisson's score interval with dispersion f.

    Example:
        >>> [round(float(v), 3) for v in score_effective(0.0, 0.0, 10)]
        [0.0, 0.384]
    """
    a, v = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    half = quantile(level, degrees) ** 2 * (v + 0.25 / images**2) / (a + 0.25 / images) / 2
    spread = np.sqrt(half * (half + 2 * a))
    return np.maximum(a + half - spread, 0), a + half + spread


def clopper_pearson(count: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Exact interval of a share of n independent images (Clopper & Pearson 1934): covers the level or more whatever the
    share. For arrays element by element.

    Example:
        >>> [round(float(v), 3) for v in clopper_pearson(10, 10)]
        [0.692, 1.0]
    """
    k, n = np.asarray(count, dtype=np.float64), np.asarray(n, dtype=np.float64)
    outside = (1 - level) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1e-9), n - k + 1, outside), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1e-9), 1 - outside), 1.0)
    return low, high
