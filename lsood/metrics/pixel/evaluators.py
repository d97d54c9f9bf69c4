"""How the pixels of an image are counted for the curve, and which of them are called anomalous at its threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsood.metrics.pixel.histogram import curve
from lsood.metrics.pixel.smiyc import above, at_quantiles

Counted = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Evaluator:
    """A way to evaluate score maps.

    Attributes:
        counted: (G,) distinct, rising float16 scores of an image and how many pixels that are not anomalous, and are,
            have each -> the same at the thresholds that its curve may have.
        called: (H, W) float16 scores, threshold -> (H, W), called anomalous.
    """

    counted: Callable[[NDArray[np.float16], NDArray[Any], NDArray[Any]], Counted]
    called: Callable[[NDArray[np.float16], float], NDArray[np.bool_]]


def _as_they_are(*counts: NDArray[Any]) -> Counted:
    return counts[0], counts[1], counts[2]


EVALUATORS = {
    "exact": Evaluator(_as_they_are, np.greater_equal),
    "smiyc": Evaluator(at_quantiles, above),
}
"""{name: evaluator}, in the order of `lsood.choices.PIXEL_EVALUATORS`."""


def best_threshold(scores: NDArray[Any], normal: NDArray[Any], anomalous: NDArray[Any]) -> float | None:
    """The threshold of the highest F1 over the pixels of all images; None where there are none of a class. It is chosen
    on the test set itself, as SegmentMeIfYouCan does.

    Args:
        scores, normal, anomalous: (E,) entries of all images, see `lsood.metrics.pixel.pixel_set.PixelScore`.
    """
    if not normal.any() or not anomalous.any():
        return None
    levels, place = np.unique(scores, return_inverse=True)
    pooled = curve(levels, np.bincount(place, normal), np.bincount(place, anomalous))
    return float(pooled.scores[pooled.best_f1()[1][0]])
