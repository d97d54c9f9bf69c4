"""False-positive rates at the first threshold with a given true-positive rate."""

from __future__ import annotations

from lsood.metrics.closed_forms import Interval, fpr_interval
from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _fpr95(curve: Curve, threshold: float) -> Array:
    return curve.fpr_at_tpr(0.95, "out")


def _fpr95_in(curve: Curve, threshold: float) -> Array:
    return curve.fpr_at_tpr(0.95, "in")


def _fpr80_in(curve: Curve, threshold: float) -> Array:
    return curve.fpr_at_tpr(0.80, "in")


def _fpr95_interval(curve: Curve, threshold: float) -> Interval:
    return fpr_interval(curve, 0.95)


def _fpr95_in_interval(curve: Curve, threshold: float) -> Interval:
    return fpr_interval(curve.mirrored(), 0.95)


def _fpr80_in_interval(curve: Curve, threshold: float) -> Interval:
    return fpr_interval(curve.mirrored(), 0.80)


FPR95 = Metric(
    "fpr95",
    "FPR95",
    "lower",
    1,
    "share of in-distribution rows flagged where at least 95 % of OoD is caught",
    _fpr95,
    interval=_fpr95_interval,
)
FPR95_IN = Metric(
    "fpr95_in",
    "FPR95-in",
    "lower",
    4,
    "share of OoD accepted where at least 95 % of in-distribution is",
    _fpr95_in,
    interval=_fpr95_in_interval,
)
FPR80_IN = Metric(
    "fpr80_in",
    "FPR80-in",
    "lower",
    5,
    "share of OoD accepted where at least 80 % of in-distribution is",
    _fpr80_in,
    interval=_fpr80_in_interval,
)
