"""Whether two methods differ on the same images: the paired test of DeLong et al. (1988), also for blocks of frames,
and Holm's correction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from lsood.metrics.curve import Array, check_scores
from lsood.metrics.resampling import Blocks

ROUNDING = 1e-15


class Comparison(NamedTuple):
    """Difference of two AUROCs, its z statistic and two-sided p-value."""

    difference: float
    z: float
    p: float


def placements(scores_in: ArrayLike, scores_out: ArrayLike) -> tuple[Array, Array, Array]:
    """AUROCs of K methods on the same images and how much each image adds to them, through mid-ranks (Sun & Xu 2014).

    Args:
        scores_in, scores_out: (K, N), (K, M) anomaly scores; column = image.

    Returns:
        (K,), (K, N) and (K, M) float64; what the images of a side add has mean 0.

    Raises:
        ValueError: shapes that do not fit, or scores that no metric is defined for (see
            `lsood.metrics.points.check_scores`).
    """
    x, y = np.asarray(scores_in, dtype=np.float64), np.asarray(scores_out, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"scores must be (K, N) and (K, M) of the same methods, got {x.shape} and {y.shape}")
    for a, b in zip(x, y, strict=True):
        check_scores(a, b)
    n, m = x.shape[1], y.shape[1]
    ranks = rankdata(np.concatenate([x, y], axis=1), axis=1)
    above = 1 - (ranks[:, :n] - rankdata(x, axis=1)) / m  # share of OoD above each in-distribution image
    below = (ranks[:, n:] - rankdata(y, axis=1)) / n
    aurocs = below.mean(1)
    return aurocs, (above - aurocs[:, None]) / n, (below - aurocs[:, None]) / m


def delong_covariance(
    scores_in: ArrayLike, scores_out: ArrayLike, blocks: Blocks | None = None
) -> tuple[Array, Array]:
    """AUROCs of K methods on the same images and their covariance (DeLong et al. 1988).

    Args:
        scores_in, scores_out: (K, N), (K, M) anomaly scores; column = image.
        blocks: of the N and M images where they are not independent. What the images of a block add is summed before it
            is multiplied (Obuchowski 1997, clustered data); over blocks of frames that is the covariance of the
            circular block bootstrap (Politis & Romano 1992) in the limit of many replicates.

    Returns:
        (K,) and (K, K) float64.

    Raises:
        ValueError: as :func:`placements`; fewer than two images (or blocks) on a side, or blocks of other images.
    """
    aurocs, in_adds, out_adds = placements(scores_in, scores_out)
    sizes = in_adds.shape[1], out_adds.shape[1]
    if blocks is None:
        if min(sizes) < 2:
            raise ValueError(f"the covariance needs two images on each side, got {sizes[0]} and {sizes[1]}")
        parts = zip(sizes, (in_adds, out_adds), strict=True)
        return aurocs, sum((n / (n - 1) * adds @ adds.T for n, adds in parts), np.zeros(()))
    if (named := tuple(map(len, blocks.sides))) != sizes:
        raise ValueError(f"blocks name {named[0]} and {named[1]} images, there are {sizes[0]} and {sizes[1]}")
    return aurocs, blocks.covariance(in_adds, out_adds)


def compare(
    aurocs: Array, covariance: Array, a: int, b: int, units: float, degrees: float = np.inf
) -> Comparison:
    """Method a minus method b, from :func:`delong_covariance`.

    Two methods that order the images alike have difference 0 and p = 1. DeLong's variance collapses at AUROC 0 and 1,
    where the p-value would be 0 whatever the number of images: it is never below 2^(1 - units), that of exchanging the
    scores of two methods unit by unit, all units but none or all of which bring the methods closer.

    Args:
        units: independent images of both sides, or blocks. degrees: of freedom of the covariance.
    """
    difference = float(aurocs[a] - aurocs[b])
    variance = float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
    if abs(difference) <= ROUNDING:
        return Comparison(difference, 0.0, 1.0)
    z = difference / variance**0.5 if variance > ROUNDING else float(np.copysign(np.inf, difference))
    tail = norm.sf(abs(z)) if np.isinf(degrees) else student.sf(abs(z), degrees)
    return Comparison(difference, z, float(min(max(2 * tail, 2.0 ** (1 - units)), 1.0)))


def delong_test(
    scores_in_a: ArrayLike,
    scores_out_a: ArrayLike,
    scores_in_b: ArrayLike,
    scores_out_b: ArrayLike,
    blocks: Blocks | None = None,
) -> Comparison:
    """Paired test of the AUROCs of two methods on the same images (DeLong et al. 1988).

    Args:
        scores_in_a, scores_in_b: (N,) anomaly scores of the same in-distribution images in the same order.
        scores_out_a, scores_out_b: (M,) of the same OoD images.
        blocks: see :func:`delong_covariance`; the p-value is then Student's with one degree of freedom fewer than there
            are blocks, where frames depend on each other.

    Raises:
        ValueError: see :func:`delong_covariance`; scores of different images show only as another number.

    Example:
        >>> delong_test([0, 1, 2, 3], [2, 3, 4, 5], [0, 1, 2, 3], [0, 1, 2, 3]).difference
        0.375
    """
    sides = []
    for what, a, b in (("in-distribution", scores_in_a, scores_in_b), ("OoD", scores_out_a, scores_out_b)):
        first, second = np.ravel(a), np.ravel(b)
        if len(first) != len(second):
            raise ValueError(
                f"{len(first)} and {len(second)} {what} scores: methods are compared on the same images"
            )
        sides.append(np.stack([first, second]))
    found = delong_covariance(sides[0], sides[1], blocks)
    units = sum(side.shape[1] for side in sides) if blocks is None else blocks.total
    return compare(*found, 0, 1, units, np.inf if blocks is None else blocks.degrees)


def holm(p: ArrayLike) -> Array:
    """p-values (n,) adjusted for n tests at once (Holm 1979), in [0, 1]; NaN (not tested) stays NaN and does not count.

    Example:
        >>> [round(float(v), 3) for v in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
