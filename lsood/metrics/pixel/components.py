"""Component metrics of SegmentMeIfYouCan (Chan et al., NeurIPS 2021): is every anomalous thing found, and is
every finding a thing?
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lsood.metrics.metric import Metric

TAUS = tuple(np.linspace(0.25, 0.75, 11))
FRAME = 1280 * 720
SHARES = 500 / FRAME, 100 / FRAME
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
    predicted: NDArray[np.bool_], labels: NDArray[np.uint8], smallest: tuple[float, float] | None = None
) -> Components:
    """Compare predicted with true components (8-connected).

    Predicted components are found and measured with only the ignored pixels cut out; what then lies on a smaller
    true component counts for nothing, as in the benchmark's code.

    Args:
        predicted: (H, W), called anomalous. labels: (H, W), 1 anomalous, 0 not, 255 ignored.
        smallest: pixels of the smallest predicted and true component; smaller predicted ones are dropped, smaller true
            ones ignored. None: as many as 500 and 100 of 1280x720 are of this image.
    """
    if smallest is None:
        smallest = SHARES[0] * labels.size, SHARES[1] * labels.size
    true, n_true = _numbered(labels == 1, smallest[1])
    found, n_found = _numbered(predicted & (labels != 255), smallest[0])
    shape = (n_true + 2, n_found + 2)
    pairs = np.bincount((true * shape[1] + found).ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    true_areas = pairs[1:-1].sum(1)
    areas = pairs[:-1, 1:-1].sum(0)  # the last row is what lies on smaller true components
    overlap = pairs[1:-1, 1:-1]
    touching = overlap > 0
    hit, hits = overlap.sum(1), overlap.sum(0)
    elsewhere = (touching * (hits - overlap)).sum(1)
    union = true_areas + (touching * areas).sum(1) - hit
    there = areas > 0
    return Components(hit / (union - elsewhere), hits[there] / areas[there])


def _numbered(mask: NDArray[np.bool_], smallest: float) -> tuple[NDArray[np.int64], int]:
    """Of every pixel: 0 no component, 1 to n a component, n + 1 one of fewer pixels than the smallest; and n."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = np.asarray(stats)[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False
    n = int(large.sum())
    name = np.where(large, large.cumsum(), n + 1)
    name[0] = 0
    return name[numbers], n


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


SIOU = Metric("siou", "sIoU", "higher", 4, "mean overlap of true components")
PPV = Metric("ppv", "PPV", "higher", 5, "mean precision of predicted components")
F1 = Metric("f1_components", "F1 comp.", "higher", 6, "mean over eleven overlap thresholds")
