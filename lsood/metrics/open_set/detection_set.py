"""What a detector kept on a set of images beside the objects labelled there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsood.metrics.open_set.box_matching import (
    LEAST_IOU,
    Array,
    Overlaps,
    Rows,
    box_array,
    covered,
    iou,
    pairs_on_images,
)

UNKNOWN = -1


@dataclass(frozen=True)
class DetectionSet:
    """Detections and labelled objects of I images.

    Attributes:
        keys: (I,) distinct names of the images. image: (N,) each detection's row in ``keys``.
        boxes: (N, 4). predicted: (N,) class 0 to K - 1. confidence: (N,) of that class, in [0, 1].
        object_image: (G,) each object's row in ``keys``, the objects of an image in the order of their boxes.
        object_boxes: (G, 4), in the pixels of ``boxes``.
        object_labels: (G,) class, -1 for an object of none of the K classes.
        region_image, region_boxes, region_labels: (R,), (R, 4), (R,) likewise of crowds and difficult objects, which
            count neither as found nor as missed.
        region_crowd: (R,) which of them are crowds.
    """

    keys: tuple[str, ...]
    image: Rows
    boxes: Array
    predicted: Rows
    confidence: Array
    object_image: Rows
    object_boxes: Array
    object_labels: Rows
    region_image: Rows
    region_boxes: Array
    region_labels: Rows
    region_crowd: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        keys: Sequence[str],
        targets: Sequence[Mapping[str, Any]],
        owners: Sequence[str],
        boxes: ArrayLike,
        predicted: ArrayLike,
        confidence: ArrayLike,
    ) -> DetectionSet:
        """From I images and N detections, arrays or tensors on the CPU.

        Args:
            keys, targets: (I,) an image's name and its objects, {"boxes": (M, 4), "labels": (M,)}, where it has
                crowds or difficult objects also "regions": {"boxes": (R, 4), "labels": (R,), "crowd": (R,) bool}.
            owners: (N,) the name of the image each detection lies on.
            boxes, predicted, confidence: (N, 4), (N,), (N,).

        Raises:
            ValueError: lengths that differ, a name twice or unknown, boxes that `box_array` refuses,
                confidence outside [0, 1].
        """
        row = {key: i for i, key in enumerate(keys)}
        if len(row) < len(keys) or len(targets) != len(keys):
            raise ValueError(f"{len(keys)} images, {len(row)} distinct, with {len(targets)} targets")
        if strangers := [owner for owner in owners if owner not in row]:
            raise ValueError(f"a detection lies on {strangers[0]!r}, which is none of the {len(keys)} images")
        found = box_array(boxes, "detections")
        classes = np.asarray(predicted, dtype=np.int64).ravel()
        sure = np.asarray(confidence, dtype=np.float64).ravel()
        if not len(found) == len(classes) == len(sure) == len(owners):
            counts = f"{len(found)} boxes, {len(classes)} classes, {len(sure)} confidences"
            raise ValueError(f"{counts} of {len(owners)} detections")
        if not ((sure >= 0) & (sure <= 1)).all():
            raise ValueError("confidence must lie in [0, 1]")
        things = [box_array(t["boxes"], f"objects of {k}") for k, t in zip(keys, targets, strict=True)]
        labels = [np.asarray(t["labels"], dtype=np.int64).ravel() for t in targets]
        for key, places, names in zip(keys, things, labels, strict=True):
            if len(places) != len(names):
                raise ValueError(f"{key}: {len(places)} boxes of objects, {len(names)} labels")
        orders = [np.lexsort((names, *places.T)) for places, names in zip(things, labels, strict=True)]
        things = [places[order] for places, order in zip(things, orders, strict=True)]
        labels = [names[order] for names, order in zip(labels, orders, strict=True)]
        return cls(
            tuple(keys),
            np.array([row[owner] for owner in owners], dtype=np.int64),
            found,
            classes,
            sure,
            np.repeat(np.arange(len(keys)), [len(places) for places in things]),
            np.concatenate([np.zeros((0, 4)), *things]),
            np.concatenate([np.zeros(0, dtype=np.int64), *labels]),
            *_regions(keys, targets),
        )

    @cached_property
    def unknown(self) -> Rows:
        """(U,) rows of the objects of no class."""
        return np.flatnonzero(self.object_labels == UNKNOWN)

    @cached_property
    def overlaps(self) -> Overlaps:
        """Detections and objects that overlap by IoU >= .5; found once, used by every method."""
        return Overlaps.of(self.boxes, self.image, self.object_boxes, self.object_image)

    @cached_property
    def on_unknown(self) -> NDArray[np.bool_]:
        """(N,) detections that overlap an unknown object by IoU >= .5."""
        pairs = self.overlaps.only(self.object_labels[self.overlaps.thing] == UNKNOWN)
        return np.isin(np.arange(len(self.boxes)), pairs.detection)

    def on_region(self, labels: Rows) -> NDArray[np.bool_]:
        """(N,) detections that lie on a crowd or a difficult object of the class that each claims: on a crowd by half
        of their own area, as in COCO, on a difficult object by IoU >= .5, as in Pascal VOC. Where such a detection
        finds no object, it is neither right nor wrong.

        Args:
            labels: (N,) the class each detection claims, -1: none.
        """
        detection, region = pairs_on_images(self.image, self.region_image)
        same = self.region_labels[region] == labels[detection]
        detection, region = detection[same], region[same]
        boxes, regions = self.boxes[detection], self.region_boxes[region]
        overlap = np.where(self.region_crowd[region], covered(boxes, regions), iou(boxes, regions))
        return np.isin(np.arange(len(self.boxes)), detection[overlap >= LEAST_IOU])

    def ranks(self, *values: Array) -> Rows:
        """(N,) place of every detection when sorted by falling values, the first of them first; ties by image
        and box, so that the order in which detections are given plays no part.
        """
        keys = (self.image.astype(float), *self.boxes.T, *(-v for v in values[::-1]))
        ranks = np.empty(len(self.boxes), dtype=np.int64)
        ranks[np.lexsort(keys)] = np.arange(len(ranks))
        return ranks


def _regions(
    keys: Sequence[str], targets: Sequence[Mapping[str, Any]]
) -> tuple[Rows, Array, Rows, NDArray[np.bool_]]:
    """Images, boxes, classes and whether they are crowds of all regions.

    Raises:
        ValueError: other numbers of them, or boxes that `box_array` refuses.
    """
    rows = [(i, target["regions"]) for i, target in enumerate(targets) if "regions" in target]
    boxes = [box_array(some["boxes"], f"regions of {keys[i]}") for i, some in rows]
    labels = [np.asarray(some["labels"], dtype=np.int64).ravel() for _, some in rows]
    crowds = [np.asarray(some["crowd"], dtype=bool).ravel() for _, some in rows]
    for (i, _), places, names, crowd in zip(rows, boxes, labels, crowds, strict=True):
        if not len(places) == len(names) == len(crowd):
            raise ValueError(
                f"{keys[i]}: {len(places)} boxes of regions, {len(names)} labels, {len(crowd)} crowds"
            )
    return (
        np.repeat(np.array([i for i, _ in rows], dtype=np.int64), [len(places) for places in boxes]),
        np.concatenate([np.zeros((0, 4)), *boxes]),
        np.concatenate([np.zeros(0, dtype=np.int64), *labels]),
        np.concatenate([np.zeros(0, dtype=bool), *crowds]),
    )
