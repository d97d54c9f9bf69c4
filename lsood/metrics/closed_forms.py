"""95 % intervals in closed form of metrics of independent images, from the curves of R draws of them, each image once.

The true value that they cover is the metric of both distributions of scores, in the proportion of the two sets' sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.stats import binom

from lsood.metrics.curve import Array, Curve
from lsood.metrics.proportions import clopper_pearson, wilson_effective

Interval = tuple[Array, Array]
Decisions = Callable[[Array, Array, Array, Array], Array]


def decisions_interval(
    metric: Decisions, tp: Array, fp: Array, n_out: Array, n_in: Array, lowest: float
) -> Interval:
    """Square-and-add (Newcombe 1998; Zou & Donner 2008) of a metric of two independent shares, the detection rate and
    the false-alarm rate, each with the exact interval of Clopper & Pearson.

    Args:
        metric: (true positives, false positives, OoD images, in-distribution images) -> values; rises with the first
            and falls with the second.
        tp, fp, n_out, n_in: (R,) counts. lowest: of the metric; its highest value is 1.
    """
    value = metric(tp, fp, n_out, n_in)
    tp_low, tp_high, fp_low, fp_high = _ends(tp, fp, n_out, n_in)
    down = np.hypot(value - metric(tp_low, fp, n_out, n_in), value - metric(tp, fp_high, n_out, n_in))
    up = np.hypot(value - metric(tp_high, fp, n_out, n_in), value - metric(tp, fp_low, n_out, n_in))
    return np.maximum(value - down, lowest), np.minimum(value + up, 1.0)


def worst_decisions(metric: Decisions, tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    """The metric where both shares are at the bad ends of their intervals; arguments as `decisions_interval`."""
    tp_low, _, _, fp_high = _ends(tp, fp, n_out, n_in)
    return metric(tp_low, fp_high, n_out, n_in)


def _ends(tp: Array, fp: Array, n_out: Array, n_in: Array) -> tuple[Array, Array, Array, Array]:
    """Counts at the ends of the intervals of both shares."""
    tp_low, tp_high = clopper_pearson(tp, n_out)
    fp_low, fp_high = clopper_pearson(fp, n_in)
    return tp_low * n_out, tp_high * n_out, fp_low * n_in, fp_high * n_in


def fpr_interval(curve: Curve, tpr: float) -> Interval:
    """Of the false-positive rate (OoD positive; for in-distribution give the mirrored curve) where the true-positive
    rate is ``tpr``: square-and-add of Clopper & Pearson's interval at the threshold and of the rates at the ends of the
    threshold's interval, order statistics of the positive scores (binomial, 2.5 % each side, no assumption).

    With few positives the lower end of the threshold is below all of them and the high end is 1: for 95 % with fewer
    than 72.
    """
    n_out, n_in = int(curve.n_out[0]), float(curve.n_in[0])
    low, high = _ranks(n_out, tpr)
    rows = np.arange(len(curve.hits))

    def rate(caught: int) -> Array:
        """At the highest threshold that so many positives reach."""
        if caught > n_out:
            return np.ones(len(rows))
        if caught < 1:
            return np.zeros(len(rows))
        return np.asarray(curve.alarms[rows, (curve.hits >= caught).argmax(1)] / n_in)

    value = curve.fpr_at_tpr(tpr, "out")
    below, above = clopper_pearson(np.round(value * n_in), n_in)
    down = np.hypot(value - rate(n_out - high), value - below)
    up = np.hypot(rate(n_out - low + 1) - value, above - value)
    return np.maximum(value - down, 0.0), np.minimum(value + up, 1.0)


@cache
def _ranks(n: int, tpr: float) -> tuple[int, int]:
    """How many of n positives lie below the threshold that a share ``tpr`` reaches: 2.5 and 97.5 % of the binomial."""
    low, high = binom.ppf([0.025, 0.975], n, 1 - tpr)
    return int(low), int(high)


def aupr_interval(curve: Curve) -> Interval:
    """Of the area under precision over recall (OoD positive; for in-distribution give the mirrored curve): Wilson's
    with the effective number of images of the variance

        V + (V A (1 - A) / M)^(1/2) / 2,

    A the area, V its asymptotic variance, the sum over both sides of the variance of an image's influence on the step
    sum, and M the images of the smaller side. V alone is too small (86 % covered instead of 95) where single images lie
    beyond all of the other side: most draws hold none of them.
    """
    hits, alarms = curve.hits, curve.alarms
    n_out, n_in = float(curve.n_out[0]), float(curve.n_in[0])
    area = curve.aupr("out")
    out, inside = np.diff(hits, axis=1, prepend=0), np.diff(alarms, axis=1, prepend=0)
    called = hits + alarms
    weight = out / called**2  # of a level in the derivative of the sum by the two rates
    on_out = hits / called + np.cumsum((weight * alarms)[:, ::-1], axis=1)[:, ::-1]
    on_in = -np.cumsum((weight * hits)[:, ::-1], axis=1)[:, ::-1] * n_in / n_out
    images = min(n_out, n_in)
    share = area * (1 - area) / images
    variance = share
    if images >= 2:
        variance = _variance(on_out, out) / n_out + _variance(on_in, inside) / n_in
    return wilson_effective(area, variance + np.sqrt(variance * share) / 2, images)


def _variance(values: Array, counts: Array) -> Array:
    """(R,) of values (R, G) that occur so often."""
    n = counts.sum(1)
    mean = (values * counts).sum(1) / n
    return np.asarray((counts * (values - mean[:, None]) ** 2).sum(1) / (n - 1))
