"""Whether two methods differ on the same images: the paired test of DeLong et al. (1988), and Holm's correction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from lsood.metrics.curve import Array, check_scores
from lsood.metrics.resampling import Sources

ROUNDING = 1e-15


class Comparison(NamedTuple):
    """Difference of two AUROCs, its z statistic and two-sided p-value."""

    difference: float
    z: float
    p: float


def delong_covariance(
    scores_in: ArrayLike, scores_out: ArrayLike, sources: Sources | None = None
) -> tuple[Array, Array]:
    """AUROCs of K methods on the same images and their covariance, through mid-ranks (Sun & Xu 2014).

    Args:
        scores_in, scores_out: (K, N), (K, M) anomaly scores; column = image.
        sources: N and M names of the images' sources. Images of one source are dependent, whichever side they
            are on; their placements are summed before they are multiplied (Obuchowski 1997, clustered data).
            Without repeated names that is DeLong's covariance.

    Returns:
        (K,) and (K, K) float64.

    Raises:
        ValueError: shapes that do not fit, fewer than two images (or sources) on a side, or scores that no
            metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    x, y = np.asarray(scores_in, dtype=np.float64), np.asarray(scores_out, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"scores must be (K, N) and (K, M) of the same methods, got {x.shape} and {y.shape}")
    for a, b in zip(x, y, strict=True):
        check_scores(a, b)
    n, m = x.shape[1], y.shape[1]
    ranks = rankdata(np.concatenate([x, y], axis=1), axis=1)
    above = (
        1 - (ranks[:, :n] - rankdata(x, axis=1)) / m
    )  # (K, N) share of OoD above each in-distribution image
    below = (ranks[:, n:] - rankdata(y, axis=1)) / n
    aurocs = below.mean(1)
    names_in, names_out = (range(n), range(n, n + m)) if sources is None else sources
    if len(names_in) != n or len(names_out) != m:
        raise ValueError(f"sources name {len(names_in)} and {len(names_out)} images, there are {n} and {m}")
    names, index = np.unique([*names_in, *names_out], return_inverse=True)
    at_in, at_out = index[:n], index[n:]
    sums_in, sums_out = np.zeros((2, len(names), len(x)))
    np.add.at(sums_in, at_in, (above - aurocs[:, None]).T / n)
    np.add.at(sums_out, at_out, (below - aurocs[:, None]).T / m)
    clusters = [len(np.unique(at)) for at in (at_in, at_out)]
    if min(clusters) < 2:
        raise ValueError(f"the covariance needs two images on each side, got {clusters[0]} and {clusters[1]}")
    factors = [c / (c - 1) for c in (*clusters, len(names))]
    cross = factors[2] * sums_in.T @ sums_out
    covariance = factors[0] * sums_in.T @ sums_in + factors[1] * sums_out.T @ sums_out + cross + cross.T
    return aurocs, covariance


def compare(aurocs: Array, covariance: Array, a: int, b: int) -> Comparison:
    """Method a minus method b, from :func:`delong_covariance`.

    Two methods that order the images alike have difference 0 and p = 1. The variance collapses at AUROC 0 and
    1: two such methods that differ have p = 0, whatever the number of images.
    """
    difference = float(aurocs[a] - aurocs[b])
    variance = float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
    if variance <= ROUNDING:
        same = abs(difference) <= ROUNDING
        return Comparison(difference, 0.0 if same else np.copysign(np.inf, difference), float(same))
    z = difference / variance**0.5
    return Comparison(difference, z, float(2 * norm.sf(abs(z))))


def delong_test(
    scores_in_a: ArrayLike,
    scores_out_a: ArrayLike,
    scores_in_b: ArrayLike,
    scores_out_b: ArrayLike,
    sources: Sources | None = None,
) -> Comparison:
    """Paired test of the AUROCs of two methods on the same images (DeLong et al. 1988).

    Args:
        scores_in_a, scores_in_b: (N,) anomaly scores of the same in-distribution images in the same order.
        scores_out_a, scores_out_b: (M,) of the same OoD images.
        sources: see :func:`delong_covariance`.

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
    return compare(*delong_covariance(sides[0], sides[1], sources), 0, 1)


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
