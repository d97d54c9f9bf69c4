"""Lowest mean of miss rate and false-alarm rate over all thresholds."""

from __future__ import annotations

import numpy as np

from lsood.metrics.closed_forms import Interval, decisions_interval
from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _right(tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    return 1 - (1 - tp / n_out + fp / n_in) / 2


def _interval(curve: Curve, threshold: float) -> Interval:
    """At the best threshold, as if it were given; on few images the error itself is too low on average."""
    best = (curve.alarms / curve.n_in - curve.hits / curve.n_out).argmin()
    tp, fp = curve.hits[:, best], curve.alarms[:, best]
    low, high = decisions_interval(_right, tp, fp, curve.n_out, curve.n_in, 0.0)
    return 1 - high, min(1 - low, 0.5)


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
)
