"""The pixel evaluator of SegmentMeIfYouCan (Chan et al., NeurIPS 2021), as its public code works: the curve's
thresholds are quantiles of each frame's scores, drawn with the labels.

AP and F1* come out higher than the exact ones where a frame has few anomalous pixels. Two things of that code are not
done: of frames with the same highest score it also keeps the curve after one of them, in no stated order; and where
nothing is predicted its PPV is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsood.metrics.curve import Array

QUANTILES = 384
Pixels = NDArray[np.integer]


def at_quantiles(
    scores: NDArray[np.floating], normal: Pixels, anomalous: Pixels
) -> tuple[Array, Pixels, Pixels]:
    """The pixels of a frame at its thresholds: each at the largest that it reaches.

    Args:
        scores: (G,) float16, distinct, rising. normal, anomalous: (G,) pixels of every score.

    Returns:
        (T,) float64 thresholds, rising: at most 384 quantiles of the scores of each class; and (T,) pixels of both.
    """
    there = [_quantiles(scores, counts) for counts in (normal, anomalous) if counts.any()]
    thresholds = np.unique(np.concatenate(there))
    place = np.searchsorted(thresholds, scores, side="right") - 1
    count = [np.bincount(place, n, len(thresholds)).astype(np.int64) for n in (normal, anomalous)]
    return thresholds, count[0], count[1]


def _quantiles(scores: NDArray[np.floating], counts: Pixels) -> Array:
    """`numpy.quantile` of the float16 scores of n pixels at min(384, n) places, from how many have each score."""
    ends = np.cumsum(counts)
    place = np.linspace(0, 1, min(QUANTILES, int(ends[-1]))) * (ends[-1] - 1)
    low = np.floor(place)
    below, above = (
        scores[np.searchsorted(ends, np.minimum(i, ends[-1] - 1), side="right")] for i in (low, low + 1)
    )
    with np.errstate(over="ignore"):
        step, share = above - below, place - low
    return np.where(share < 0.5, below + step * share, above - step * (1 - share))


def above(scores: NDArray[np.float16], threshold: float) -> NDArray[np.bool_]:
    """Which pixels are called anomalous: those above the threshold as float16; the curve counts those at it too."""
    found: NDArray[np.bool_] = scores > np.float16(threshold)
    return found
