"""Metrics at the threshold that in-distribution validation scores gave."""

from __future__ import annotations

import numpy as np

from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _accuracy(curve: Curve, threshold: float) -> Array:
    tp, _, _, tn = curve.at(threshold)
    return (tp + tn) / (curve.n_in + curve.n_out)


def _mcc(curve: Curve, threshold: float) -> Array:
    tp, fp, fn, tn = curve.at(threshold)
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, scale, out=np.zeros_like(scale), where=scale > 0)


def _f1(curve: Curve, threshold: float) -> Array:
    tp, fp, fn, _ = curve.at(threshold)
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1)


def _false_alarm_rate(curve: Curve, threshold: float) -> Array:
    _, fp, _, tn = curve.at(threshold)
    return fp / (fp + tn)


ACCURACY = Metric(
    "accuracy", "Accuracy", "higher", 7, "share of rows called right at the threshold", _accuracy
)
MCC = Metric("mcc", "MCC", "higher", 8, "Matthews correlation at the threshold", _mcc)
F1 = Metric("f1", "F1", "higher", 9, "F1 at the threshold, OoD positive", _f1)
FALSE_ALARM_RATE = Metric(
    "false_alarm_rate",
    "FAR",
    "lower",
    10,
    "share of in-distribution test rows flagged at the threshold, to be compared with the rate it was set for",
    _false_alarm_rate,
)
