"""Detection metrics from anomaly scores (higher = more anomalous), from one sort, ties grouped.

"out" and "in" name the positive class. The curve's points are the distinct scores from high to low: at each,
everything at or above it is called OoD. Every function takes in-distribution scores (N,) and OoD scores (M,)
and gives a float; :func:`evaluate` gives all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
METRICS = (
    "auroc",
    "fpr95",
    "aupr_out",
    "aupr_in",
    "fpr95_in",
    "fpr80_in",
    "detection_error",
    "accuracy",
    "mcc",
    "f1",
)


def check_scores(scores_in: ArrayLike, scores_out: ArrayLike) -> tuple[Array, Array]:
    """Both as float64 vectors.

    Raises:
        ValueError: empty, not finite, or all scores equal (such a detector has no ranking to judge).
    """
    vectors = []
    for what, scores in (("in-distribution", scores_in), ("OoD", scores_out)):
        vector = np.asarray(scores, dtype=np.float64).ravel()
        if len(vector) == 0:
            raise ValueError(f"no {what} scores")
        if not np.isfinite(vector).all():
            raise ValueError(
                f"{(~np.isfinite(vector)).sum()} of {len(vector)} {what} scores are NaN or infinite"
            )
        vectors.append(vector)
    if np.ptp(np.concatenate(vectors)) == 0:
        raise ValueError("every score is the same")
    return vectors[0], vectors[1]


@dataclass(frozen=True)
class Curve:
    """Counts above every distinct score, from high to low, for R resamples of the images.

    Attributes:
        scores: (G,) distinct scores, falling. hits: (R, G) OoD images at or above. alarms: (R, G)
            in-distribution images at or above.
    """

    scores: Array
    hits: Array
    alarms: Array

    @classmethod
    def of(
        cls, scores_in: Array, scores_out: Array, w_in: Array | None = None, w_out: Array | None = None
    ) -> Curve:
        """From scores and (R, N), (R, M) weights (how often each image was drawn; default once)."""
        w_in = np.ones((1, len(scores_in))) if w_in is None else w_in
        w_out = np.ones((1, len(scores_out))) if w_out is None else w_out
        scores = np.concatenate([scores_in, scores_out])
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        last = np.append(ordered[1:] != ordered[:-1], True)  # last member of each group of ties
        is_out = order >= len(scores_in)
        hits = np.zeros((len(w_out), len(scores)))
        alarms = np.zeros_like(hits)
        hits[:, is_out] = w_out[:, order[is_out] - len(scores_in)]
        alarms[:, ~is_out] = w_in[:, order[~is_out]]
        np.cumsum(hits, axis=1, out=hits)
        np.cumsum(alarms, axis=1, out=alarms)
        return cls(ordered[last], hits[:, last], alarms[:, last])

    @property
    def n_in(self) -> Array:
        """(R,) in-distribution images of each resample."""
        return self.alarms[:, -1]

    @property
    def n_out(self) -> Array:
        """(R,) OoD images of each resample."""
        return self.hits[:, -1]

    def auroc(self) -> Array:
        tpr, fpr = self.hits / self.n_out[:, None], self.alarms / self.n_in[:, None]
        step = np.diff(fpr, axis=1, prepend=0)
        height = tpr - np.diff(tpr, axis=1, prepend=0) / 2
        return (step * height).sum(1)

    def aupr(self, positive: str) -> Array:
        """Step sum of precision over recall (scikit-learn's average precision)."""
        if positive == "out":
            true, false, n = self.hits, self.alarms, self.n_out
        else:
            kept, passed = self._accepted()
            true, false, n = kept[:, ::-1], passed[:, ::-1], self.n_in
        precision = true / np.maximum(true + false, 1)
        return (np.diff(true, axis=1, prepend=0) * precision).sum(1) / n

    def _accepted(self) -> tuple[Array, Array]:
        """(R, G) in-distribution and OoD images at or below every distinct score."""
        zero = np.zeros((len(self.hits), 1))
        kept = self.n_in[:, None] - np.concatenate([zero, self.alarms[:, :-1]], axis=1)
        return kept, self.n_out[:, None] - np.concatenate([zero, self.hits[:, :-1]], axis=1)

    def fpr_at_tpr(self, tpr: float, positive: str) -> Array:
        """False-positive rate at the first threshold whose true-positive rate reaches ``tpr``."""
        if positive == "out":
            reached = self.hits >= tpr * self.n_out[:, None] - 1e-9
            first = reached.argmax(1)
            return self.alarms[np.arange(len(first)), first] / self.n_in
        kept, passed = self._accepted()
        last = kept.shape[1] - 1 - (kept[:, ::-1] >= tpr * self.n_in[:, None] - 1e-9).argmax(1)
        return passed[np.arange(len(last)), last] / self.n_out

    def detection_error(self) -> Array:
        """min over thresholds of (miss rate + false-alarm rate) / 2."""
        error = (1 - self.hits / self.n_out[:, None] + self.alarms / self.n_in[:, None]) / 2
        return np.minimum(error.min(1), 0.5)

    def best_f1(self) -> tuple[Array, NDArray[np.int64]]:
        """F1*, the highest F1 over all thresholds (OoD positive), and the index of its score in ``scores``."""
        f1 = 2 * self.hits / (self.hits + self.alarms + self.n_out[:, None])
        best = f1.argmax(1)
        return f1[np.arange(len(best)), best], best

    def at(self, threshold: float) -> tuple[Array, Array, Array]:
        """Accuracy, Matthews correlation and F1 (OoD positive) when scores above the threshold are called
        OoD.
        """
        above = int((self.scores > threshold).sum())
        zero = np.zeros(len(self.hits))
        tp, fp = (zero, zero) if above == 0 else (self.hits[:, above - 1], self.alarms[:, above - 1])
        fn, tn = self.n_out - tp, self.n_in - fp
        scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        mcc = np.divide(tp * tn - fp * fn, scale, out=np.zeros_like(scale), where=scale > 0)
        return (tp + tn) / (self.n_in + self.n_out), mcc, 2 * tp / np.maximum(2 * tp + fp + fn, 1)

    def all(self, threshold: float) -> dict[str, Array]:
        """{metric: (R,)} for every name in METRICS."""
        accuracy, mcc, f1 = self.at(threshold)
        return {
            "auroc": self.auroc(),
            "fpr95": self.fpr_at_tpr(0.95, "out"),
            "aupr_out": self.aupr("out"),
            "aupr_in": self.aupr("in"),
            "fpr95_in": self.fpr_at_tpr(0.95, "in"),
            "fpr80_in": self.fpr_at_tpr(0.80, "in"),
            "detection_error": self.detection_error(),
            "accuracy": accuracy,
            "mcc": mcc,
            "f1": f1,
        }


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
    return float(_curve(scores_in, scores_out).detection_error()[0])


def _side(positive: str) -> str:
    if positive not in ("in", "out"):
        raise ValueError(f'positive must be "in" or "out", got {positive!r}')
    return positive


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
