"""Component metrics of SegmentMeIfYouCan (Chan et al., NeurIPS 2021): is every anomalous thing found, and is
every finding a thing?
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TAUS = tuple(tau / 100 for tau in range(25, 80, 5))
FRAME = 1280 * 720
SMALLEST_PREDICTED, SMALLEST_TRUE = 500 / FRAME, 100 / FRAME
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """One image.

    Attributes:
        siou: (G,) of every anomalous component: its overlap with the predictions that touch it, over their
            union without what lies in other anomalous components.
        ppv: (P,) of every predicted component: the share of it that is anomalous.
    """

    siou: Array
    ppv: Array


def components(
    predicted: NDArray[np.bool_],
    labels: NDArray[np.uint8],
    smallest_predicted: float = SMALLEST_PREDICTED,
    smallest_true: float = SMALLEST_TRUE,
) -> Components:
    """Compare predicted with true components (8-connected).

    Args:
        predicted: (H, W), called anomalous. labels: (H, W), 1 anomalous, 0 not, 255 ignored.
        smallest_predicted, smallest_true: as shares of the image; smaller predicted components are dropped,
            smaller true ones ignored. The defaults are the anomaly track's 500 and 100 pixels of 1280x720.
    """
    true, true_areas = _components(labels == 1)
    small = np.flatnonzero(true_areas < smallest_true * labels.size)
    ignored = (labels == 255) | np.isin(true, small[small > 0])
    true, true_areas = _components((labels == 1) & ~ignored)
    found, areas = _components(predicted & ~ignored)
    shape = (len(true_areas), len(areas))
    pairs = true.astype(np.int64) * shape[1] + found
    overlap = np.bincount(pairs.ravel(), minlength=shape[0] * shape[1]).reshape(shape)[1:, 1:]
    keep = areas[1:] >= smallest_predicted * labels.size
    overlap, areas, true_areas = overlap[:, keep], areas[1:][keep], true_areas[1:]
    touching = overlap > 0
    hit = overlap.sum(1)
    elsewhere = (touching * (overlap.sum(0) - overlap)).sum(1)
    union = true_areas + (touching * areas).sum(1) - hit
    return Components(hit / np.maximum(union - elsewhere, 1), overlap.sum(0) / np.maximum(areas, 1))


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Component number of every pixel (0: none) and the areas by number."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return np.asarray(numbers), np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.int64)


def component_metrics(
    siou: Array, ppv: Array, w_siou: Array | None = None, w_ppv: Array | None = None
) -> dict[str, Array]:
    """Over the components of all images: mean "siou", mean "ppv" (0 where nothing is predicted), and
    "f1_components": F1 averaged over the eleven thresholds .25, .30, ..., .75 on sIoU and PPV.

    Args:
        siou: (G,) of all anomalous components, at least one. ppv: (P,) of all predicted ones.
        w_siou, w_ppv: (R, G), (R, P), how often each counts in R resamples; default once in one.

    Returns:
        {metric: (R,)}.

    Raises:
        ValueError: a resample without anomalous component.
    """
    w_siou = np.ones((1, len(siou))) if w_siou is None else w_siou
    w_ppv = np.ones((1, len(ppv))) if w_ppv is None else w_ppv
    n_true, n_found = w_siou.sum(1), w_ppv.sum(1)
    if not n_true.all():
        raise ValueError("no anomalous components")
    f1 = np.zeros(len(w_siou))
    for tau in TAUS:
        hits, false = w_siou @ (siou >= tau), w_ppv @ (ppv < tau)
        f1 += 2 * hits / (hits + n_true + false) / len(TAUS)
    return {"siou": w_siou @ siou / n_true, "ppv": w_ppv @ ppv / np.maximum(n_found, 1), "f1_components": f1}
