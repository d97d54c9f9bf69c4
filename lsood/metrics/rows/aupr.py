"""Area under the precision-recall curve as a step sum; depends on the shares of the sets."""

from __future__ import annotations

from lsood.metrics.closed_forms import Interval, aupr_interval
from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _aupr_in(curve: Curve, threshold: float) -> Array:
    return curve.aupr("in")


def _aupr_out(curve: Curve, threshold: float) -> Array:
    return curve.aupr("out")


def _interval_in(curve: Curve, threshold: float) -> Interval:
    return aupr_interval(curve.mirrored())


def _interval_out(curve: Curve, threshold: float) -> Interval:
    return aupr_interval(curve)


AUPR_IN = Metric(
    "aupr_in",
    "AUPR-in",
    "higher",
    2,
    "area under precision over recall, a step sum, in-distribution positive",
    _aupr_in,
    interval=_interval_in,
)
AUPR_OUT = Metric(
    "aupr_out",
    "AUPR-out",
    "higher",
    3,
    "area under precision over recall, a step sum, OoD positive",
    _aupr_out,
    interval=_interval_out,
)
