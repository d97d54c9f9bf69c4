"""Detection metrics from anomaly scores (higher = more anomalous), as plain functions.

Every function takes in-distribution scores (N,) and OoD scores (M,) and returns a float;
`lsood.metrics.intervals.evaluate` returns all with intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lsood.metrics.curve import Curve, check_scores
from lsood.metrics.rows.detection_error import DETECTION_ERROR


def _curve(scores_in: ArrayLike, scores_out: ArrayLike) -> Curve:
    return Curve.of(*check_scores(scores_in, scores_out))


def auroc(scores_in: ArrayLike, scores_out: ArrayLike) -> float:
    """Probability that an OoD image scores higher than an in-distribution one, ties counted half. Shown as it
    is below 0.5.

    Example:
        >>> auroc([0.0, 1.0], [1.0, 2.0])
        0.875
    """
    return float(_curve(scores_in, scores_out).auroc()[0])


def aupr(scores_in: ArrayLike, scores_out: ArrayLike, positive: str = "out") -> float:
    """Area under precision-recall as a step sum; ``positive`` is "out" (AUPR-out) or "in" (AUPR-in). Depends
    on the prevalence.
    """
    return float(_curve(scores_in, scores_out).aupr(_side(positive))[0])


def fpr_at_tpr(
    scores_in: ArrayLike, scores_out: ArrayLike, tpr: float = 0.95, positive: str = "out"
) -> float:
    """False-positive rate at the first threshold with true-positive rate >= ``tpr`` (0 < tpr <= 1).

    ``positive="out"`` (OpenOOD v1.5): share of in-distribution images flagged when 95 % of OoD is caught.
    ``positive="in"`` (ODIN, FSSD, LaREx): share of OoD accepted when 95 % of in-distribution is.
    """
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr must lie in (0, 1], got {tpr}")
    return float(_curve(scores_in, scores_out).fpr_at_tpr(tpr, _side(positive))[0])


def detection_error(scores_in: ArrayLike, scores_out: ArrayLike) -> float:
    """Lowest mean of miss rate and false-alarm rate over all thresholds, in [0, 0.5]."""
    return float(DETECTION_ERROR.of(_curve(scores_in, scores_out), 0.0)[0])


def _side(positive: str) -> str:
    if positive not in ("in", "out"):
        raise ValueError(f'positive must be "in" or "out", got {positive!r}')
    return positive


def smallest_rate(n: int) -> float:
    """The smallest false-alarm rate that n held-out scores can give: 1 / (n + 1)."""
    return 1 / (n + 1)


def threshold_at(validation: ArrayLike, false_alarm_rate: float = 0.05) -> float:
    """Threshold that held-out in-distribution scores (N,) exceed with at most the given rate (split conformal
    quantile).

    The ceil((N + 1)(1 - rate))-th smallest score; the highest one when N is too small for the rate. Alarm =
    score > threshold.
    """
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate must lie in (0, 1), got {false_alarm_rate}")
    scores = np.sort(np.asarray(validation, dtype=np.float64).ravel())
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError("the threshold needs finite validation scores")
    rank = int(np.ceil((len(scores) + 1) * (1 - false_alarm_rate) - 1e-9))
    return float(scores[min(rank, len(scores)) - 1])
