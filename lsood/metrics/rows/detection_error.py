"""Lowest mean of miss rate and false-alarm rate over all thresholds."""

from __future__ import annotations

import numpy as np

from lsood.metrics.closed_forms import Interval, decisions_interval, worst_decisions
from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _right(tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    return 1 - (1 - tp / n_out + fp / n_in) / 2


def _interval(curve: Curve, threshold: float) -> Interval:
    """At the best threshold. The low end is as if that were given. The high end has both rates at their bad ends, since
    the best of many thresholds looks better than it is.
    """
    best = (curve.alarms / curve.n_in[:, None] - curve.hits / curve.n_out[:, None]).argmin(1)
    rows = np.arange(len(best))
    found = curve.hits[rows, best], curve.alarms[rows, best], curve.n_out, curve.n_in
    _, high = decisions_interval(_right, *found, 0.0)
    return np.maximum(1 - high, 0.0), np.minimum(1 - worst_decisions(_right, *found), 0.5)


def _detection_error(curve: Curve, threshold: float) -> Array:
    error = (1 - curve.hits / curve.n_out[:, None] + curve.alarms / curve.n_in[:, None]) / 2
    return np.minimum(error.min(1), 0.5)


DETECTION_ERROR = Metric(
    "detection_error",
    "Det. error",
    "lower",
    6,
    "lowest mean of miss rate and false-alarm rate over all thresholds",
    _detection_error,
    interval=_interval,
    highest=0.5,
)
