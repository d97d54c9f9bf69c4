"""Metrics over all pixels of a set of images, exact for float16 scores and streamed: a histogram of 65,536 bins
per class is all that is kept, and histograms add up over images, batches and machines.

A float16 score's bit pattern, read as an integer, grows with the score once negative ones are turned around.
That integer is the bin, so nothing is rounded: every metric equals scikit-learn's on the float16 scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsood.metrics.curve import Array, Curve
from lsood.metrics.table import PIXELS, names

BINS = 65_536
NORMAL, ANOMALOUS, IGNORED = 0, 1, 255
LARGEST = float(np.finfo(np.float16).max)
Keys = NDArray[np.uint16]
Counts = NDArray[np.int64]


def to_float16(scores: NDArray[np.floating]) -> NDArray[np.float16]:
    """Scores as float16; what is too large becomes the largest number rather than infinity, so order stays."""
    return np.clip(scores, -LARGEST, LARGEST).astype(np.float16)


def score_keys(scores: NDArray[np.float16]) -> Keys:
    """Integers in the order of the scores; equal scores, and 0 and -0, have equal ones.

    Raises:
        ValueError: NaN.

    Example:
        >>> score_keys(np.array([-2.0, -0.0, 0.0, 0.5], np.float16))
        array([16383, 32768, 32768, 47104], dtype=uint16)
    """
    if np.isnan(scores).any():
        raise ValueError(f"{np.isnan(scores).sum()} of {scores.size} pixel scores are NaN")
    bits = (scores + np.float16(0)).view(np.uint16)  # -0 + 0 is 0
    return np.where(bits >> 15, ~bits, bits | np.uint16(0x8000))


def key_scores(keys: Keys) -> NDArray[np.float16]:
    """The scores of keys, see `score_keys`."""
    keys = np.asarray(keys, dtype=np.uint16)
    return np.where(keys >> 15, keys & np.uint16(0x7FFF), ~keys).view(np.float16)


def histogram(keys: Keys, labels: NDArray[np.uint8]) -> Counts:
    """(2, 65536) pixels of every key: row 0 not anomalous, row 1 anomalous.

    Args:
        keys, labels: of the same shape; labels 0 not anomalous, 1 anomalous, anything else is left out.
    """
    return np.stack([np.bincount(keys[labels == label], minlength=BINS) for label in (NORMAL, ANOMALOUS)])


def curve(scores: NDArray[np.floating], normal: NDArray[np.generic], anomalous: NDArray[np.generic]) -> Curve:
    """The curve over thresholds of R pools of pixels.

    Args:
        scores: (G,) distinct, rising.
        normal, anomalous: (G,) or (R, G) pixels of every score.

    Raises:
        ValueError: a pool without a pixel of either class.
    """
    alarms, hits = (np.cumsum(np.atleast_2d(n)[:, ::-1], axis=1, dtype=float) for n in (normal, anomalous))
    for what, total in (("normal", alarms[:, -1]), ("anomalous", hits[:, -1])):
        if not total.all():
            raise ValueError(f"no {what} pixels")
    return Curve(scores[::-1].astype(float), hits, alarms)


def curve_metrics(of: Curve) -> dict[str, Array]:
    """{metric: (R,)} of every metric of pixels that is read from a curve, see `lsood.metrics.pixel`."""
    return {name: PIXELS[name].of(of, 0.0) for name in names(PIXELS) if PIXELS[name].compute is not None}


def pixel_metrics(counts: Counts) -> dict[str, float]:
    """Every metric from a (2, 65536) histogram, see `curve_metrics`.

    Raises:
        ValueError: no pixels of a class.
    """
    return {name: float(v[0]) for name, v in curve_metrics(curve(*counted(counts))).items()}


def counted(counts: Counts) -> tuple[NDArray[np.float16], Counts, Counts]:
    """From a (2, 65536) histogram the G scores that occur, rising, and how many pixels that are not anomalous, and are,
    have each.
    """
    keys = np.flatnonzero(counts.any(0))
    return key_scores(keys.astype(np.uint16)), counts[0, keys], counts[1, keys]


def random_baseline(prevalence: float) -> dict[str, float]:
    """What a score that knows nothing reaches when this share of the pixels is anomalous."""
    return {"ap": prevalence, "auroc": 0.5, "fpr95": 0.95, "f1": 2 * prevalence / (1 + prevalence)}
