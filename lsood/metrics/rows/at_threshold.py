"""Metrics at the threshold that in-distribution validation scores gave."""

from __future__ import annotations

from functools import partial

import numpy as np

from lsood.metrics.closed_forms import Decisions, Interval, decisions_interval
from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric
from lsood.metrics.proportions import clopper_pearson


def _accuracy(tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    return (tp + (n_in - fp)) / (n_in + n_out)


def _mcc(tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    fn, tn = n_out - tp, n_in - fp
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, scale, out=np.zeros_like(scale), where=scale > 0)


def _f1(tp: Array, fp: Array, n_out: Array, n_in: Array) -> Array:
    fn = n_out - tp
    return 2 * tp / np.maximum(2 * tp + fp + fn, 1)


def _value(metric: Decisions, curve: Curve, threshold: float) -> Array:
    tp, fp, _, _ = curve.at(threshold)
    return metric(tp, fp, curve.n_out, curve.n_in)


def _interval(metric: Decisions, lowest: float, curve: Curve, threshold: float) -> Interval:
    tp, fp, _, _ = curve.at(threshold)
    return decisions_interval(metric, tp, fp, curve.n_out, curve.n_in, lowest)


def _false_alarm_rate(curve: Curve, threshold: float) -> Array:
    _, fp, _, _ = curve.at(threshold)
    return fp / curve.n_in


def _false_alarm_interval(curve: Curve, threshold: float) -> Interval:
    _, fp, _, _ = curve.at(threshold)
    return clopper_pearson(fp, curve.n_in)


ACCURACY = Metric(
    "accuracy",
    "Accuracy",
    "higher",
    7,
    "share of rows called right at the threshold",
    partial(_value, _accuracy),
    interval=partial(_interval, _accuracy, 0.0),
)
MCC = Metric(
    "mcc",
    "MCC",
    "higher",
    8,
    "Matthews correlation at the threshold",
    partial(_value, _mcc),
    interval=partial(_interval, _mcc, -1.0),
    lowest=-1.0,
)
F1 = Metric(
    "f1",
    "F1",
    "higher",
    9,
    "F1 at the threshold, OoD positive",
    partial(_value, _f1),
    interval=partial(_interval, _f1, 0.0),
)
FALSE_ALARM_RATE = Metric(
    "false_alarm_rate",
    "FAR",
    "as stated",
    10,
    "share of in-distribution test rows flagged at the threshold, to be compared with the rate it was set for; its "
    "interval is over these rows alone, so that it may have one where the others have none",
    _false_alarm_rate,
    interval=_false_alarm_interval,
    known_alone=True,
)
