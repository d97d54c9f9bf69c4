"""The curve that every metric of a ranking is read from: counts above each distinct score, from one sort.

"out" and "in" name the positive class. The curve's points are the distinct scores from high to low: at each,
everything at or above it is called OoD; ties are grouped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def check_scores(scores_in: ArrayLike, scores_out: ArrayLike) -> tuple[Array, Array]:
    """Both as float64 vectors.

    Raises:
        ValueError: empty, not finite, or all scores equal (there is no ranking to evaluate).
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

    def mirrored(self) -> Curve:
        """With the sides exchanged and scores negated: in-distribution is positive."""
        kept, passed = self._accepted()
        return Curve(-self.scores[::-1], kept[:, ::-1], passed[:, ::-1])

    def best_f1(self) -> tuple[Array, NDArray[np.int64]]:
        """F1*, the highest F1 over all thresholds (OoD positive), and the index of its score in ``scores``."""
        f1 = 2 * self.hits / (self.hits + self.alarms + self.n_out[:, None])
        best = f1.argmax(1)
        return f1[np.arange(len(best)), best], best

    def at(self, threshold: float) -> tuple[Array, Array, Array, Array]:
        """(R,) true positives, false positives, false negatives and true negatives (OoD positive) when scores above the
        threshold are called OoD.
        """
        above = int((self.scores > threshold).sum())
        zero = np.zeros(len(self.hits))
        tp, fp = (zero, zero) if above == 0 else (self.hits[:, above - 1], self.alarms[:, above - 1])
        return tp, fp, self.n_out - tp, self.n_in - fp
