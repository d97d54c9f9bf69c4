"""The labelled objects of an image, cut out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from anomalies.scene import PEOPLE, Scene
from anomalies.toolkit.fields import fbm
from anomalies.toolkit.objects.cutout import Cutout

OWN = (
    *("person", "pedestrian", "rider", "bicyclist", "car", "truck", "bus", "train", "vehicles"),
    *("motorcycle", "bicycle", "traffic light", "traffic_light", "traffic sign", "traffic_sign", "sign"),
)
FLAT = ("traffic light", "traffic_light", "traffic sign", "traffic_sign", "sign")
SLENDER = (*PEOPLE, "bicycle", "motorcycle")
SMALLEST_AREA, SMALLEST_HEIGHT, LARGEST_HEIGHT = 0.0025, 0.07, 0.6
FILLED, FILLED_IF_SLENDER, STRAIGHT = 0.86, 0.55, 0.5
GRID_ROWS = 256


@dataclass(frozen=True)
class Own:
    """A labelled object of the image.

    Attributes:
        name: of its class. rows, columns: where it is. row: its lowest.
        inside: (h, w) its pixels.
    """

    name: str
    rows: slice
    columns: slice
    inside: NDArray[np.bool_]

    def cutout(self, image: Image, scene: Scene, turn: float, known: bool) -> Cutout:
        """The object without its background; known keeps its label."""
        at = (self.rows, self.columns)
        part = image[at] if image.shape[2] == 3 else np.repeat(image[at], 3, axis=2)
        rgba = np.dstack((part, 255 * self.inside.astype(np.uint8)))
        labels = None
        if known and scene.labels is not None:
            labels = np.full(self.inside.shape, scene.labels[at][self.inside][0], np.uint8)
        return Cutout.of(rgba, self.name, labels, turn=turn)


def own_objects(scene: Scene) -> list[Own]:
    """Objects of the image's own classes that are whole and large enough to be recognised, by class."""
    if scene.labels is None:
        return []
    h = len(scene.labels)
    step = max(1, h // GRID_ROWS)
    small = np.ascontiguousarray(scene.labels[::step, ::step])
    found = []
    for number, name in enumerate(scene.classes):
        if name not in OWN or not (small == number).any():
            continue
        parts, stats = cv2.connectedComponentsWithStats((small == number).astype(np.uint8))[1:3]
        for i, (x, y, wide, high, area) in enumerate(stats[1:], 1):
            inside = x > 0 and x + wide < small.shape[1] and y > 0 and y + high < len(small)
            fits = SMALLEST_HEIGHT * len(small) <= high <= LARGEST_HEIGHT * len(small)
            mine = parts[y : y + high, x : x + wide] == i
            large = area >= max(SMALLEST_AREA * len(small) ** 2, 12)
            if inside and fits and large and _whole(mine, name):
                found.append(_own(name, number, i, parts, (x, y, wide, high), step, scene.labels))
    return found


def _whole(mine: NDArray[np.bool_], name: str) -> bool:
    """Not what a pole or a car in front has left of an object: that has notches, or a straight upright edge."""
    outline = cv2.convexHull(np.argwhere(mine)[:, ::-1].astype(np.int32))
    hull: Any = cv2.fillConvexPoly(np.zeros(mine.shape, np.uint8), outline, 1)
    filled = float(mine.sum() / hull.sum()) >= (FILLED_IF_SLENDER if name in SLENDER else FILLED)
    edge = max(float(mine[:, 0].mean()), float(mine[:, -1].mean()))
    return filled and (edge <= STRAIGHT or name in FLAT)


def _own(name: str, number: int, i: int, parts: Any, box: Any, step: int, labels: NDArray[np.uint8]) -> Own:
    x, y, wide, high = (int(v) for v in box)
    rows, columns = slice(step * y, step * (y + high)), slice(step * x, step * (x + wide))
    mine = (parts[y : y + high, x : x + wide] == i).repeat(step, axis=0).repeat(step, axis=1)
    exact = labels[rows, columns] == number
    return Own(name, rows, columns, mine[: exact.shape[0], : exact.shape[1]] & exact)


def patch(
    image: Image, scene: Scene, rng: np.random.Generator, centre: tuple[float, float], size: tuple[int, int]
) -> Cutout:
    """A lobed piece of the image itself around a centre (x, y), of about (h, w) pixels, with its labels."""
    h, w = (min(size[0], image.shape[0]), min(size[1], image.shape[1]))
    field = fbm(rng, (32, 32), 12, octaves=3)
    rows, columns = np.indices((32, 32), dtype=np.float32) / np.float32(15.5) - 1
    blob = (1.05 - np.hypot(rows, columns) + 0.16 * field).astype(np.float32)
    outline = cv2.resize(np.pad(blob[1:-1, 1:-1], 1, constant_values=-0.2), (w, h))
    top = int(np.clip(round(centre[1] - h / 2), 0, image.shape[0] - h))
    left = int(np.clip(round(centre[0] - w / 2), 0, image.shape[1] - w))
    at = (slice(top, top + h), slice(left, left + w))
    part = image[at] if image.shape[2] == 3 else np.repeat(image[at], 3, axis=2)
    rgba = np.dstack((part, np.where(outline > 0.15, np.uint8(255), np.uint8(0))))
    return Cutout.of(rgba, "patch", None if scene.labels is None else scene.labels[at])
