"""95 % intervals in closed form of metrics of independent images, from the curve of the images, each once.

The true value that they cover is the metric of both distributions of scores, in the proportion of the two sets' sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.stats import binom

from lsood.metrics.curve import Array, Curve
from lsood.metrics.proportions import wilson, wilson_effective

Interval = tuple[float, float]
Decisions = Callable[[Array, Array, Array, Array], Array]


def decisions_interval(
    metric: Decisions, tp: Array, fp: Array, n_out: Array, n_in: Array, lowest: float
) -> Interval:
    """Square-and-add (Newcombe 1998; Zou & Donner 2008) of a metric of two independent shares, the detection rate and
    the false-alarm rate, each with Wilson's interval.

    Args:
        metric: (true positives, false positives, OoD images, in-distribution images) -> values; rises with the first
            and falls with the second.
        tp, fp, n_out, n_in: (1,) counts. lowest: of the metric; its highest value is 1.
    """
    value = metric(tp, fp, n_out, n_in)
    tp_low, tp_high = (end * n_out for end in wilson(tp / n_out, n_out))
    fp_low, fp_high = (end * n_in for end in wilson(fp / n_in, n_in))
    down = np.hypot(value - metric(tp_low, fp, n_out, n_in), value - metric(tp, fp_high, n_out, n_in))
    up = np.hypot(value - metric(tp_high, fp, n_out, n_in), value - metric(tp, fp_low, n_out, n_in))
    return max(float((value - down)[0]), lowest), min(float((value + up)[0]), 1.0)


def fpr_interval(curve: Curve, tpr: float) -> Interval:
    """Of the false-positive rate (OoD positive; for in-distribution give the mirrored curve) where the true-positive
    rate is ``tpr``: square-and-add of Wilson's interval at the threshold and of the rates at the ends of the
    threshold's interval, order statistics of the positive scores (binomial, 2.5 % each side, no assumption).

    With few positives the lower end of the threshold is below all of them and the high end is 1: for 95 % with fewer
    than 72.
    """
    hits, alarms = curve.hits[0], curve.alarms[0]
    n_out, n_in = int(hits[-1]), alarms[-1]
    low, high = _ranks(n_out, tpr)

    def rate(caught: float) -> float:
        """At the highest threshold that so many positives reach."""
        if caught > n_out:
            return 1.0
        return 0.0 if caught < 1 else float(alarms[np.searchsorted(hits, caught)] / n_in)

    value = float(curve.fpr_at_tpr(tpr, "out")[0])
    below, above = wilson(value, n_in)
    down = np.hypot(value - rate(n_out - high), value - below)
    up = np.hypot(rate(n_out - low + 1) - value, above - value)
    return max(float(value - down), 0.0), min(float(value + up), 1.0)


@cache
def _ranks(n: int, tpr: float) -> tuple[int, int]:
    """How many of n positives lie below the threshold that a share ``tpr`` reaches: 2.5 and 97.5 % of the binomial."""
    low, high = binom.ppf([0.025, 0.975], n, 1 - tpr)
    return int(low), int(high)


def aupr_interval(curve: Curve) -> Interval:
    """Of the area under precision over recall (OoD positive; for in-distribution give the mirrored curve): Wilson's
    with the effective number of images of its asymptotic variance, the sum over both sides of the variance of an
    image's influence on the step sum.
    """
    hits, alarms = curve.hits[0], curve.alarms[0]
    n_out, n_in = hits[-1], alarms[-1]
    area = float(curve.aupr("out")[0])
    out, inside = np.diff(hits, prepend=0), np.diff(alarms, prepend=0)
    called = hits + alarms
    weight = out / called**2  # of a level in the derivative of the sum by the two rates
    on_out = hits / called + np.cumsum((weight * alarms)[::-1])[::-1]
    on_in = -np.cumsum((weight * hits)[::-1])[::-1] * n_in / n_out
    images = float(min(n_out, n_in))
    variance = area * (1 - area) / images
    if images >= 2:
        variance = _variance(on_out, out) / n_out + _variance(on_in, inside) / n_in
    low, high = wilson_effective(area, variance, images)
    return float(low), float(high)


def _variance(values: Array, counts: Array) -> float:
    """Of values that occur so often."""
    mean = np.average(values, weights=counts)
    return float((counts * (values - mean) ** 2).sum() / (counts.sum() - 1))
