"""Metrics of the ranking of pixels, anomalous ones positive."""

from __future__ import annotations

from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _ap(curve: Curve, threshold: float) -> Array:
    return curve.aupr("out")


def _auroc(curve: Curve, threshold: float) -> Array:
    return curve.auroc()


def _fpr95(curve: Curve, threshold: float) -> Array:
    return curve.fpr_at_tpr(0.95, "out")


def _f1(curve: Curve, threshold: float) -> Array:
    return curve.best_f1()[0]


AP = Metric("ap", "AP", "higher", 0, "average precision, a step sum", _ap)
AUROC = Metric("auroc", "AUROC", "higher", 1, "by trapezoids", _auroc)
FPR95 = Metric("fpr95", "FPR95", "lower", 2, "share of normal pixels flagged when 95 % are caught", _fpr95)
F1 = Metric("f1", "F1*", "higher", 3, "at the best threshold of the test set itself", _f1)
