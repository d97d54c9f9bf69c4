"""Lowest mean of miss rate and false-alarm rate over all thresholds."""

from __future__ import annotations

import numpy as np

from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


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
)
