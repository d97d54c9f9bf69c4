"""Boxes (x1, y1, x2, y2 in pixels) that overlap, and greedy one-to-one matching of detections to objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
LEAST_IOU = 0.5


def box_array(boxes: ArrayLike, what: str) -> Array:
    """(N, 4) float64.

    Raises:
        ValueError: another shape, NaN or infinite, or a corner on the wrong side. A box of no area overlaps nothing.
    """
    found = np.asarray(boxes, dtype=np.float64)
    found = found.reshape(0, 4) if found.size == 0 else found
    if found.ndim != 2 or found.shape[1] != 4:
        raise ValueError(f"{what} must be (N, 4) boxes, got {found.shape}")
    wrong = ~(np.isfinite(found).all(1) & (found[:, 2:] >= found[:, :2]).all(1))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(f"{what}: box {first} is no box: {found[first].tolist()}")
    return found


def iou(first: Array, second: Array) -> Array:
    """(E,) intersection over union of E pairs of boxes (E, 4), in [0, 1]. A box is an area: no pixel is added
    to its sides, unlike in the Pascal VOC development kit.

    Example:
        >>> iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3)
        array([0.333])
    """
    shared = _shared(first, second)
    union = _area(first) + _area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def covered(first: Array, second: Array) -> Array:
    """(E,) share of the first boxes' area (E, 4) that lies in the second ones, in [0, 1]: what COCO takes for the
    overlap of a detection with a crowd.
    """
    area = _area(first)
    return np.divide(_shared(first, second), area, out=np.zeros_like(area), where=area > 0)


def _shared(first: Array, second: Array) -> Array:
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    return np.maximum(sides[:, 0], 0) * np.maximum(sides[:, 1], 0)


def _area(boxes: Array) -> Array:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def pairs_on_images(image: Rows, thing_image: Rows) -> tuple[Rows, Rows]:
    """Rows (E,) of detections and of objects of every pair on one image, from the images (N,), (G,) they lie on."""
    order = np.argsort(thing_image, kind="stable")
    start = np.searchsorted(thing_image[order], image, "left")
    count = np.searchsorted(thing_image[order], image, "right") - start
    detection = np.repeat(np.arange(len(image)), count)
    within = np.arange(len(detection)) - np.repeat(count.cumsum() - count, count)
    return detection, order[np.repeat(start, count) + within]


@dataclass(frozen=True)
class Overlaps:
    """Pairs of a detection and an object of one image that overlap by IoU >= .5.

    Attributes:
        detection, thing: (E,) rows of the detection and of the object. iou: (E,).
    """

    detection: Rows
    thing: Rows
    iou: Array

    @classmethod
    def of(cls, boxes: Array, image: Rows, things: Array, thing_image: Rows) -> Overlaps:
        """From detections (N, 4) on images (N,) and objects (G, 4) on images (G,)."""
        detection, thing = pairs_on_images(image, thing_image)
        values = iou(boxes[detection], things[thing])
        near = values >= LEAST_IOU
        return cls(detection[near], thing[near], values[near])

    def only(self, chosen: NDArray[np.bool_]) -> Overlaps:
        """The pairs chosen by (E,)."""
        return Overlaps(self.detection[chosen], self.thing[chosen], self.iou[chosen])

    def match(self, rank: Rows) -> tuple[Rows, Rows]:
        """Detections, the lowest rank first, each take the object still free that they overlap most (COCO;
        Pascal VOC takes the object overlapped most, and none if that one is taken). Ties go to the object that
        stands first.

        All detections whose object nobody before them could want are matched at once, until none is left.

        Args:
            rank: (N,) distinct, of every detection.

        Returns:
            Rows (M,) of matched detections and (M,) of their objects.
        """
        order = np.lexsort((self.thing, -self.iou, rank[self.detection]))
        detection, thing = self.detection[order], self.thing[order]
        taken_by = np.full(thing.max(initial=-1) + 1, -1)
        while len(detection):
            best = np.append(True, detection[1:] != detection[:-1])  # first pair of each detection
            _, earliest = np.unique(thing, return_index=True)  # first pair of each object
            settled = np.zeros(len(thing), dtype=bool)
            settled[earliest] = best[earliest]
            taken_by[thing[settled]] = detection[settled]
            done = np.isin(detection, detection[settled]) | (taken_by[thing] >= 0)
            detection, thing = detection[~done], thing[~done]
        found = np.flatnonzero(taken_by >= 0)
        return taken_by[found], found
