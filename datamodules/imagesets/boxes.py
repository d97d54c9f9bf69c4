"""Labelled objects of an image as boxes: what they are, and what a box must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""Class of an object that is none of the in-distribution classes."""
THINNEST = 0.01
FARTHEST = 2**31
"""Pixels that a coordinate stays below."""


class Regions(NamedTuple):
    """Objects of one image that official evaluations count neither as found nor as missed, detections of their class on
    them neither as right nor as wrong. They are no targets.

    Attributes:
        boxes: (R, 4) float32, as of `Boxes`. classes: (R,) int64, as of `Boxes`.
        crowd: (R,) bool, several objects in one box (COCO, BDD100K): a detection lies on it by the share of its own
            area; else a difficult object (VOC), by IoU.
        names: R names as they stand in the file.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    names: tuple[str, ...] = ()

    def cut(self, limits: NDArray[np.float32]) -> Regions:
        """Cut off at the edges of the image; x y x y of its lower right corner."""
        return self._replace(boxes=np.clip(self.boxes, 0, limits))


NO_REGIONS = Regions(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool))


class Boxes(NamedTuple):
    """Objects of one image.

    Attributes:
        boxes: (M, 4) float32, x1 y1 x2 y2 in pixels of the raw image, of pixel edges: an object that fills a
            32 x 32 image is 0 0 32 32.
        classes: (M,) int64 index into the in-distribution class names, -1 for an object that is none of them.
        names: M names as they stand in the file.
        left_out: crowds and difficult objects beside them.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...] = ()
    left_out: Regions = NO_REGIONS

    def where(self, kept: NDArray[np.bool_]) -> Boxes:
        """Some of the objects; (M,) bool."""
        names = tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)
        return self._replace(boxes=self.boxes[kept], classes=self.classes[kept], names=names)

    def with_unknown(self, boxes: Sequence[Sequence[float]], names: Sequence[str]) -> Boxes:
        """And further objects that are none of the in-distribution classes; those of no area are left out."""
        added = [(b, n) for b, n in zip(boxes, names, strict=True) if b[2] > b[0] and b[3] > b[1]]
        values = np.asarray([b for b, _ in added], dtype=np.float32).reshape(-1, 4)
        return Boxes(
            np.concatenate([self.boxes, values]),
            np.concatenate([self.classes, np.full(len(added), UNKNOWN)]),
            (*self.names, *(n for _, n in added)),
            self.left_out,
        )


NO_BOXES = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


def boxes_of(
    objects: Sequence[tuple[str, Sequence[Any]]],
    where: str,
    class_names: Sequence[str] = (),
    left_out: Sequence[tuple[str, Sequence[Any], bool]] = (),
) -> Boxes:
    """Boxes from pairs of a name and four numbers x1 y1 x2 y2.

    Boxes without area and boxes that leave the image are let through: see `inside`.

    Args:
        where: file and image, for messages.
        class_names: of the in-distribution set; other names get the class -1.
        left_out: name, four numbers, and whether it is a crowd, of objects that count neither as found nor as missed.

    Raises:
        ValueError: a coordinate that is no number or not below `FARTHEST`, or a box whose right or lower side lies
            before its left or upper one.
    """
    regions = [(name, values) for name, values, _ in left_out]
    for name, values in (*objects, *regions):
        numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in values]
        if len(numbers) != 4 or not all(numbers) or not all(abs(v) < FARTHEST for v in values):
            got = f"{list(values)!r:.200}"
            raise ValueError(
                f"{where}: the box of {name!r} must be four finite numbers below 2^31, got {got}"
            )
        if values[2] < values[0] or values[3] < values[1]:
            raise ValueError(
                f"{where}: the box of {name!r} has a negative width or height (x1 y1 x2 y2): {list(values)}"
            )
    index = {name: i for i, name in enumerate(class_names)}

    def columns(some: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Any, Any, tuple[str, ...]]:
        boxes = np.asarray([values for _, values in some], dtype=np.float32).reshape(-1, 4)
        classes = np.asarray([index.get(name, UNKNOWN) for name, _ in some], dtype=np.int64)
        return boxes, classes, tuple(name for name, _ in some)

    boxes, classes, names = columns(regions)
    crowd = np.asarray([is_crowd for *_, is_crowd in left_out], dtype=bool)
    return Boxes(*columns(objects), Regions(boxes, classes, crowd, names))


def inside(objects: Boxes, height: int, width: int) -> Boxes:
    """The objects with their boxes cut off at the image's edges; those of which less than a hundredth of a pixel
    is left in width or height (outside the image, or without area) are dropped.
    """
    limits = np.array([width, height, width, height], dtype=np.float32)
    cut = np.clip(objects.boxes, 0, limits)
    kept = np.asarray((cut[:, 2:] - cut[:, :2]).min(axis=1) >= THINNEST)
    return objects._replace(boxes=cut, left_out=objects.left_out.cut(limits)).where(kept)
