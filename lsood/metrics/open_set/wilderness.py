"""Wilderness impact: how much precision of the known classes unknown objects cost (Dhamija et al., WACV 2020).

WI = FP_open / (TP + FP_closed), which is precision without unknown objects / precision with them - 1, where every class
keeps its detections down to the confidence at which .8 of its objects are found on the in-distribution test images.
FP_open: detections on the OoD images that claim a class and overlap an unknown object. TP, FP_closed: those on the
in-distribution images. It grows with the number of OoD images.

As ORE (Joseph et al., CVPR 2021): a confidence per class, FP_open by overlap, sums over classes. Different: ORE takes
the recall nearest to .8, here the first that reaches it, or all detections of a class that never does. Dhamija et al.
count every detection on OoD images. FMIYC evaluates OoD images alone, where recall stays 0, so that only the most
confident detection of each class counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsood.metrics.open_set.box_matching import Array, Rows
from lsood.metrics.open_set.detection_set import DetectionSet

RECALL = 0.8


@dataclass(frozen=True)
class _Class:
    """One known class; detections in the order of falling confidence.

    Attributes:
        things: (G,) images of its objects. closed: (N,) images of the detections on the known side.
        true: (N,) which are matched. last: (N,) of a group of ties. open: (M,) images of the open-set errors.
        reached: (N,) how many of these are at least as confident.
    """

    things: Rows
    closed: Rows
    true: NDArray[np.bool_]
    last: NDArray[np.bool_]
    open: Rows
    reached: Rows


@dataclass(frozen=True)
class Wilderness:
    """What the wilderness impact of any resample of images needs."""

    classes: tuple[_Class, ...]

    @classmethod
    def of(
        cls,
        known: DetectionSet,
        flagged: NDArray[np.bool_],
        ood: DetectionSet,
        errors: NDArray[np.bool_],
    ) -> Wilderness:
        """From detections of the known side, those flagged among them (they claim no class), and the
        open-set errors among the detections on OoD images. Classes without an object or a detection on the
        known side do not count.
        """
        pairs = known.overlaps
        same = known.predicted[pairs.detection] == known.object_labels[pairs.thing]
        rank = known.ranks(known.confidence)
        matched, _ = pairs.only(same & ~flagged[pairs.detection]).match(rank)
        true = np.isin(np.arange(len(rank)), matched)
        counted = true | ~known.on_region(known.predicted)
        found = []
        for label in np.unique(known.object_labels[known.object_labels >= 0]):
            rows = np.flatnonzero((known.predicted == label) & ~flagged & counted)
            rows = rows[np.argsort(rank[rows])]
            wrong = np.flatnonzero((ood.predicted == label) & errors)
            wrong = wrong[np.argsort(-ood.confidence[wrong], kind="stable")]
            level, sure = known.confidence[rows], ood.confidence[wrong]
            found.append(
                _Class(
                    known.object_image[known.object_labels == label],
                    known.image[rows],
                    true[rows],
                    np.append(level[1:] != level[:-1], True)[: len(rows)],
                    ood.image[wrong],
                    np.searchsorted(-sure, -level, "right"),
                )
            )
        return cls(tuple(found))

    def impact(self, w_known: Array, w_ood: Array) -> dict[str, Array]:
        """{"wi": (R,)} for resamples that hold each image so often, (R, I) and (R, J); NaN where nothing on
        the known side claims a class.
        """
        kept, wrong = np.zeros(len(w_known)), np.zeros(len(w_known))
        each = np.arange(len(w_known))
        for one in self.classes:
            total = w_known[:, one.things].sum(1)
            if not len(one.closed):
                continue
            drawn = w_known[:, one.closed]
            recalled = np.cumsum(drawn * one.true, axis=1)[:, one.last]
            enough = recalled >= RECALL * total[:, None] - 1e-9
            at = np.where(enough.any(1), enough.argmax(1), enough.shape[1] - 1)
            kept += np.cumsum(drawn, axis=1)[:, one.last][each, at] * (total > 0)
            errors = np.concatenate([np.zeros((len(each), 1)), np.cumsum(w_ood[:, one.open], axis=1)], axis=1)
            wrong += errors[each, one.reached[one.last][at]] * (total > 0)
        return {"wi": np.divide(wrong, kept, out=np.full(len(kept), np.nan), where=kept > 0)}
