"""Area under the ROC curve by trapezoids, ties counted half."""

from __future__ import annotations

from lsood.metrics.curve import Array, Curve
from lsood.metrics.metric import Metric


def _auroc(curve: Curve, threshold: float) -> Array:
    return curve.auroc()


AUROC = Metric(
    "auroc",
    "AUROC",
    "higher",
    0,
    "how often an OoD row scores above an in-distribution one, ties as half",
    _auroc,
)
