"""Open-set recognition: macro F1 over the K known classes and "unknown", exact at every threshold from one
sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsood.metrics import check_scores

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OpenSetF1:
    """Macro F1 when images that score above a threshold are called unknown.

    Attributes:
        thresholds: (G,) rising: minus infinity (everything is unknown), then every distinct score.
        f1: (G,) at those thresholds; between two, that of the lower one.
    """

    thresholds: Array
    f1: Array

    def at(self, threshold: float) -> float:
        """F1 at a threshold, which belongs to held-out in-distribution scores: `lsood.metrics.threshold_at`."""
        return float(self.f1[np.searchsorted(self.thresholds, threshold, side="right") - 1])

    def best(self) -> tuple[float, float]:
        """The highest F1 and its threshold: chosen on the images under test, an upper bound only."""
        where = int(self.f1.argmax())
        return float(self.f1[where]), float(self.thresholds[where])


def open_set_f1(
    labels: ArrayLike,
    predictions: ArrayLike,
    inside: ArrayLike,
    predictions_out: ArrayLike,
    outside: ArrayLike,
    num_classes: int,
) -> OpenSetF1:
    """Macro F1 over K + 1 classes, the mean of 2 TP / (2 TP + FP + FN), 0 for a class that neither occurs nor
    is predicted.

    Args:
        labels, predictions: (N,) true and predicted class of known images. inside: (N,) their anomaly scores.
        predictions_out: (M,) predicted class of unknown images. outside: (M,) their anomaly scores.
        num_classes: K.

    Raises:
        ValueError: lengths that differ, classes outside 0 to K - 1, or scores that `check_scores` refuses.

    Example:
        >>> curve = open_set_f1([0, 1], [0, 1], [0.1, 0.2], [1], [0.9], 2)
        >>> curve.at(0.5), round(curve.at(1.0), 3)
        (1.0, 0.556)
    """
    inside, outside = check_scores(inside, outside)
    true = _classes(labels, len(inside), num_classes, "labels")
    known = _classes(predictions, len(inside), num_classes, "predictions")
    unknown = _classes(predictions_out, len(outside), num_classes, "predictions_out")
    order = np.argsort(np.concatenate([inside, outside]), kind="stable")
    scores = np.concatenate([inside, outside])[order]
    last = np.append(scores[1:] != scores[:-1], True)
    hot = np.eye(num_classes)
    accepted = _at(hot[np.concatenate([known, unknown])], order, last)
    hits = _at(np.concatenate([hot[true] * (known == true)[:, None], hot[unknown] * 0]), order, last)
    passed = _at(np.repeat([[0.0], [1.0]], [len(inside), len(outside)], axis=0), order, last)
    rejected = len(scores) - accepted.sum(1, keepdims=True)
    counts = np.append(np.bincount(true, minlength=num_classes), len(outside))
    twice = 2 * np.concatenate([hits, len(outside) - passed], axis=1)
    f1 = twice / np.maximum(np.concatenate([accepted, rejected], axis=1) + counts, 1)
    return OpenSetF1(np.append(-np.inf, scores[last]), f1.mean(1))


def _at(values: Array, order: NDArray[np.int64], last: NDArray[np.bool_]) -> Array:
    """(N, C) -> (G, C): sums over the images at or below every threshold."""
    sums = values[order].cumsum(axis=0)[last]
    return np.concatenate([np.zeros((1, values.shape[1])), sums])


def _classes(values: ArrayLike, length: int, num_classes: int, what: str) -> NDArray[np.int64]:
    classes = np.asarray(values).ravel()
    if len(classes) != length:
        raise ValueError(f"{len(classes)} {what} for {length} scores")
    if not np.isin(classes, np.arange(num_classes)).all():
        raise ValueError(f"{what} must be classes 0 to {num_classes - 1}")
    return classes.astype(np.int64)
