"""95 % intervals: DeLong for AUROC, bootstrap over images for every other metric; bootstrap over source images
for all where several images were made from one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from lsood.metrics.curve import Array, Curve, check_scores
from lsood.metrics.table import ROWS, names

RESAMPLES = 500
CELLS = 4_000_000  # resamples x images held at once


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: Array) -> Estimate:
        """With the percentile interval of resampled values (R,)."""
        low, high = np.quantile(draws, [0.025, 0.975])
        return cls(float(value), float(low), float(high))


def delong_variance(scores_in: ArrayLike, scores_out: ArrayLike) -> float:
    """Variance of the AUROC (DeLong et al. 1988) through mid-ranks (Sun & Xu 2014), O(n log n). Needs two
    images on each side.
    """
    x, y = check_scores(scores_in, scores_out)
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    placement_in = 1 - (ranks[:n] - rankdata(x)) / m  # share of OoD above each in-distribution image
    placement_out = (ranks[n:] - rankdata(y)) / n
    if min(n, m) < 2:
        return float("nan")
    return float(placement_in.var(ddof=1) / n + placement_out.var(ddof=1) / m)


def delong_interval(scores_in: ArrayLike, scores_out: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Normal interval of the AUROC with DeLong's variance, cut to [0, 1]; it collapses to a point at AUROC 0
    and 1.
    """
    value = float(Curve.of(*check_scores(scores_in, scores_out)).auroc()[0])
    half = norm.ppf(0.5 + level / 2) * np.sqrt(delong_variance(scores_in, scores_out))
    return float(max(0.0, value - half)), float(min(1.0, value + half))


def row_metrics(curve: Curve, threshold: float) -> dict[str, Array]:
    """{metric: (R,)} of every metric of rows, in the order of their columns."""
    return {name: ROWS[name].of(curve, threshold) for name in names(ROWS)}


Sources = tuple[Sequence[str], Sequence[str]]


def evaluate(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
    sources: Sources | None = None,
) -> dict[str, Estimate]:
    """Every metric with its 95 % interval.

    Args:
        scores_in, scores_out: (N,), (M,) anomaly scores.
        threshold: for accuracy, MCC and F1; from in-distribution validation scores, see
            `lsood.metrics.points.threshold_at`.
        resamples, seed: of the percentile bootstrap, which draws images of each side with replacement.
        sources: N and M names of the images' sources. Where they repeat (an anomalous image and its clean
            original share one), images are not independent: sources are drawn, each with all its images.

    Raises:
        ValueError: scores that no metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    x, y = check_scores(scores_in, scores_out)
    values = {name: float(v[0]) for name, v in row_metrics(Curve.of(x, y), threshold).items()}
    random = np.random.default_rng(seed)
    draws: dict[str, list[Array]] = {name: [] for name in values}
    shared = sources if sources is not None and len({*sources[0], *sources[1]}) < len(x) + len(y) else None
    for count in blocks(resamples, len(x) + len(y)):
        if shared is None:
            w_in, w_out = _weights(random, count, len(x)), _weights(random, count, len(y))
        else:
            w_in, w_out = source_weights(random, count, shared)
        for name, column in row_metrics(Curve.of(x, y, w_in, w_out), threshold).items():
            draws[name].append(column)
    estimates = {name: Estimate.of(value, np.concatenate(draws[name])) for name, value in values.items()}
    if shared is None:
        estimates["auroc"] = Estimate(values["auroc"], *delong_interval(x, y))
    return estimates


def blocks(resamples: int, images: int) -> Iterator[int]:
    """Sizes of the blocks in which resamples of so many images (or score levels) fit into memory."""
    block = max(1, CELLS // images)
    for start in range(0, resamples, block):
        yield min(block, resamples - start)


def source_weights(
    random: np.random.Generator, resamples: int, sides: Sequence[Sequence[str]]
) -> list[Array]:
    """How often each image of each side is in a resample of the sources: (R, n) for every side's n names. A
    resample that left a side empty is left out, so R may be smaller than asked for.
    """
    names, index = np.unique(np.array([n for side in sides for n in side]), return_inverse=True)
    weights = _weights(random, resamples, len(names))[:, index]
    parts = np.split(weights, np.cumsum([len(side) for side in sides])[:-1], axis=1)
    whole = np.all([part.any(1) for part in parts], axis=0)
    return [part[whole] for part in parts]


def _weights(random: np.random.Generator, resamples: int, n: int) -> Array:
    """(resamples, n): how often each of n images is drawn when n are drawn with replacement."""
    drawn = random.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
