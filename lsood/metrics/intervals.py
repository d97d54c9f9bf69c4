"""95 % intervals of every metric of rows: closed forms where images are independent; else DeLong's variance over blocks
for AUROC and a block bootstrap for the others, both as Wilson's interval with the number of images they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from lsood.metrics.comparison import delong_covariance
from lsood.metrics.curve import Array, Curve, check_scores
from lsood.metrics.metric import Metric
from lsood.metrics.proportions import score_effective, wilson_effective
from lsood.metrics.resampling import RESAMPLES, Blocks, alone, chunks
from lsood.metrics.table import ROWS, names


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its 95 % interval; None: it has none, see `lsood.metrics.resampling.Blocks.too_few`."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, draws: Array, metric: Metric, blocks: Blocks, scale: float = 1.0) -> Estimate:
        """From resampled values (R,) of a metric: their variance in `lsood.metrics.proportions.wilson_effective` on the
        metric's range, or in ``score_effective`` where it has no upper bound, M the units of the smaller side.

        Args:
            scale: of a count, the images that it is counted on.
        """
        if blocks.too_few or len(draws) < 2:
            return cls(float(value), None, None)
        units, degrees = blocks.fewest, blocks.degrees
        width = scale if metric.highest is None else metric.highest - metric.lowest
        variance = float(draws.var(ddof=1)) / width**2 * units / max(units - 1, 1)
        interval = score_effective if metric.highest is None else wilson_effective
        ends = interval((value - metric.lowest) / width, variance, units, degrees=degrees)
        low, high = (metric.lowest + float(end) * width for end in ends)
        return cls(float(value), min(low, float(value)), max(high, float(value)))


def estimates(
    values: Mapping[str, Array],
    draws: Mapping[str, Sequence[Array]],
    metrics: Mapping[str, Metric],
    blocks: Blocks,
) -> dict[str, Estimate]:
    """{metric: estimate} of values (1,) and their resamples, in parts; those that are not finite do not count."""
    found = {}
    for name, parts in draws.items():
        drawn = np.concatenate([np.zeros(0), *parts])
        scale = len(blocks.sides[-1]) if metrics[name].count else 1.0
        value = float(values[name][0])
        found[name] = Estimate.of(value, drawn[np.isfinite(drawn)], metrics[name], blocks, scale)
    return found


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


def delong_interval(
    scores_in: ArrayLike, scores_out: ArrayLike, level: float = 0.95, blocks: Blocks | None = None
) -> tuple[float, float]:
    """Interval of the AUROC: Wilson's (1927) for a share, with the number of images that DeLong's variance stands for.

    See `lsood.metrics.proportions.wilson_effective`, with M the images of the smaller side: no distribution has a
    larger variance than A (1 - A) / M (Birnbaum & Klose 1957), so that M is right where V says nothing. With n images
    on the smaller side an AUROC of 1 is 1 - z^2 / (n + z^2) to 1, never a point. Covers 94.0 % or more in 800
    simulated cells, AUROC .5 to .999 and 20 to 1,000 images (docs/methods.md, "Intervals").

    Args:
        scores_in, scores_out: (N,), (M,) anomaly scores.
        level: nominal coverage.
        blocks: of the N and M images, where these are not independent: V is then that of
            `lsood.metrics.comparison.delong_covariance`, with Student's quantile for blocks of frames, and M are the
            units of the smaller side.

    Raises:
        ValueError: scores that no metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    x, y = check_scores(scores_in, scores_out)
    value, degrees = float(Curve.of(x, y).auroc()[0]), np.inf
    if blocks is None:
        images, variance = float(min(len(x), len(y))), delong_variance(x, y)
    else:
        images, degrees = blocks.fewest, blocks.degrees
        try:
            variance = max(float(delong_covariance(x[None], y[None], blocks)[1][0, 0]), 0.0)
        except ValueError:  # one block on a side
            variance = float("nan")
    if np.isnan(variance):
        variance = value * (1 - value) / images
    low, high = wilson_effective(value, variance, images, level, degrees)
    return float(low), float(high)


def row_metrics(curve: Curve, threshold: float) -> dict[str, Array]:
    """{metric: (R,)} of every metric of rows, in the order of their columns."""
    return {name: ROWS[name].of(curve, threshold) for name in names(ROWS)}


def _of_known(
    x: Array,
    y: Array,
    threshold: float,
    values: Mapping[str, Array],
    blocks: Blocks | None,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """The metrics that depend on the in-distribution scores x alone, over blocks of their images alone, so that a set's
    value has one interval beside every OoD set; {} where these blocks are not known.
    """
    known = None if blocks is None else blocks.known
    own = {name: ROWS[name] for name in values if ROWS[name].known_alone}
    if known is None:
        return {}
    if known.independent:
        curve, found = Curve.of(x, y), {}
        for name, metric in own.items():
            if metric.interval is not None:
                low, high = metric.interval(curve, threshold)
                found[name] = Estimate(float(values[name][0]), float(low[0]), float(high[0]))
        return found
    random, draws = np.random.default_rng(seed), {name: list[Array]() for name in own}
    for count in chunks(resamples, len(x) + len(y)):
        (drawn,) = known.weights(random, count)
        curve = Curve.of(x, y, drawn, np.ones((len(drawn), len(y))))
        for name, metric in own.items():
            draws[name].append(metric.of(curve, threshold))
    return estimates(values, draws, own, known)


def evaluate(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> dict[str, Estimate]:
    """Every metric with its 95 % interval.

    Args:
        scores_in, scores_out: (N,), (M,) anomaly scores.
        threshold: for accuracy, MCC and F1; from in-distribution validation scores, see
            `lsood.metrics.points.threshold_at`.
        resamples, seed: of the bootstrap, where images are not independent or a metric has no closed form.
        blocks: of the N and M images where these are not independent; blocks that are too few give no interval.

    Raises:
        ValueError: scores that no metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    x, y = check_scores(scores_in, scores_out)
    curve = Curve.of(x, y)
    values = row_metrics(curve, threshold)
    known = _of_known(x, y, threshold, values, blocks, resamples, seed)
    if blocks is not None and blocks.too_few:
        return {name: Estimate(float(v[0]), None, None) for name, v in values.items()} | known
    apart = blocks is None or blocks.independent
    ends = delong_interval(x, y, blocks=None if apart else blocks)
    found = {"auroc": Estimate(float(values["auroc"][0]), *ends)} | known
    for name in values if apart else ():
        if name not in found and (interval := ROWS[name].interval) is not None:
            low, high = interval(curve, threshold)
            found[name] = Estimate(float(values[name][0]), float(low[0]), float(high[0]))
    draws: dict[str, list[Array]] = {name: [] for name in values if name not in found}
    if draws:
        blocks = blocks or alone(len(x), len(y))
        random = np.random.default_rng(seed)
        for count in chunks(resamples, len(x) + len(y)):
            drawn = Curve.of(x, y, *blocks.weights(random, count))
            for name, parts in draws.items():
                parts.append(ROWS[name].of(drawn, threshold))
        found |= estimates(values, draws, ROWS, blocks)
    return {name: found[name] for name in values}
