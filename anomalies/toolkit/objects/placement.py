"""Positions and sizes of objects: one pinhole camera over flat ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.scene import GROUND, PEOPLE, ROAD, Scene
from anomalies.toolkit.fields import Shape

TINY = 64
SMALLEST_HEIGHT, SMALLEST_SIDE, SMALLEST_PIXELS = 0.05, 0.06, 4
LARGEST_HEIGHT, LARGEST_WIDTH, LARGER_IF_THIN = 0.50, 0.72, 1.24
LOWEST_ROW = 0.80
ROAD_HALF_WIDTH = 4.5
TRIES = 24
MOST_HIDDEN = 0.3
GRID_ROWS = 128
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Outline:
    """What counts of an object's form. A size of 1 is a height of 1; for long objects, whose aspect is above 2,
    half a width of 1.

    Attributes:
        aspect: width by height. filled: share of the box that is opaque.
    """

    aspect: float
    filled: float = 1.0

    @property
    def height(self) -> float:
        return 1 / max(1.0, self.aspect / 2)

    @property
    def width(self) -> float:
        return self.aspect * self.height

    @property
    def side(self) -> float:
        """Of a square with its area."""
        return math.sqrt(self.filled * self.width * self.height)


@dataclass(frozen=True)
class Spot:
    """Where an object's lowest row is, and how large a metre is there.

    Attributes:
        x: column of its middle. y: row of its lower edge. scale: pixels per metre.
    """

    x: float
    y: float
    scale: float

    def box(self, size: float, outline: Outline) -> Box:
        """x0, y0, x1, y1 of an object of a size in metres."""
        h, w = size * self.scale * outline.height, size * self.scale * outline.width
        return self.x - w / 2, self.y - h, self.x + w / 2, self.y

    def boxes(self, sizes: tuple[float, ...], outline: Outline) -> tuple[Box, ...]:
        """One box per size."""
        return tuple(self.box(size, outline) for size in sizes)


def metres_to_pixels(row: float, shape: Shape, scene: Scene) -> float:
    """Pixels per metre of something that stands on the ground at a row; 0 above the horizon."""
    return max(row - scene.horizon * shape[0], 0.0) / scene.camera_height


class Places:
    """Free places in an image. Places do not depend on the severity: they have room for the largest.

    Args:
        shape: (H, W). scene: labels where known.
    """

    def __init__(self, shape: Shape, scene: Scene) -> None:
        self.shape = shape
        self.step = max(1, shape[0] // GRID_ROWS)
        labels = None if scene.labels is None else scene.labels[:: self.step, :: self.step]
        self.scene = replace(scene, labels=labels, depth=None)
        self.taken: list[Box] = []
        self._void = self.scene.void
        people = self.scene.where(*PEOPLE)
        self._people = None
        if people is not None and people.any():
            self._people = cv2.connectedComponents(people.astype(np.uint8), connectivity=8)[1]

    def on_ground(
        self,
        rng: np.random.Generator,
        sizes: tuple[float, float],
        outline: Outline,
        road: bool,
        rows: tuple[float, float] | None = None,
    ) -> Spot:
        """A place on the road (or any ground), in the given rows, else in those where an object of the first size
        in metres is large enough to be seen and one of the last size is not larger than half the image.
        """
        draws = rng.random((TRIES, 2))
        low, high = rows or self._rows(sizes, outline)
        spots = self._labelled(draws, low, high, sizes, outline, road)
        if spots is None:
            spots = [self._guessed(u, low, high, sizes, outline) for u in draws]
        return self._best(spots, sizes[1], outline)

    def above_ground(self, rng: np.random.Generator, sizes: tuple[float, float], outline: Outline) -> Spot:
        """A place where nothing stands: in the sky, before a facade."""
        draws = rng.random((TRIES, 2))
        smallest, largest = self._clipped(0.0, sizes, outline), self._clipped(np.inf, sizes, outline)
        scale = float(np.sqrt(smallest * largest))
        h, w = sizes[1] * scale * outline.height, sizes[1] * scale * outline.width
        horizon = self.scene.horizon * self.shape[0]
        rows = h + 1 + draws[:, 1] * max(min(1.1 * horizon, 0.95 * self.shape[0]) - h - 1, 0)
        columns = w / 2 + draws[:, 0] * max(self.shape[1] - w, 0)
        spots = [Spot(float(x), float(y), scale) for x, y in zip(columns, rows, strict=True)]
        return self._best(spots, sizes[1], outline)

    def _rows(self, sizes: tuple[float, float], outline: Outline) -> tuple[float, float]:
        h = self.shape[0]
        if h < TINY:
            return 0.6 * h, 0.95 * h
        horizon, camera = self.scene.horizon * h, self.scene.camera_height
        low = horizon + camera * self._smallest(outline) / sizes[0]
        high = horizon + camera * self._largest(outline) / sizes[1]
        low = min(low, (LOWEST_ROW - 0.06) * h)
        return low, min(max(high, low + 0.02 * h), LOWEST_ROW * h)

    def _largest(self, outline: Outline) -> float:
        """Largest size in pixels."""
        return min(LARGEST_HEIGHT * self.shape[0], LARGEST_WIDTH * self.shape[1] / outline.width)

    def _smallest(self, outline: Outline) -> float:
        """Smallest size in pixels."""
        h = self.shape[0]
        return max(SMALLEST_HEIGHT * h, SMALLEST_SIDE * h / outline.side, SMALLEST_PIXELS)

    def _clipped(self, scale: float, sizes: tuple[float, float], outline: Outline) -> float:
        """Pixels per metre within what can be seen and what fits."""
        if self.shape[0] < TINY:
            return self._largest(outline) / sizes[1]
        enough, most = self._smallest(outline) / sizes[0], self._largest(outline) / sizes[1]
        return min(max(scale, enough), max(most, min(enough, LARGER_IF_THIN * most)))

    def _labelled(
        self,
        draws: NDArray[np.float64],
        low: float,
        high: float,
        sizes: tuple[float, float],
        outline: Outline,
        road: bool,
    ) -> list[Spot] | None:
        """Places on pixels labelled as ground: the road before other ground, the wanted rows before others."""
        names = [ROAD, GROUND] if road else [GROUND]
        for rows in ((low, high), (low, LOWEST_ROW * self.shape[0]), (0.0, 0.97 * self.shape[0])):
            for ground in names:
                found = self._pixels(ground, *rows)
                if len(found):
                    chosen = found[(draws[:, 0] * len(found)).astype(int)]
                    return [self._spot(float(x), float(y), sizes, outline) for y, x in chosen]
        return None

    def _pixels(self, names: tuple[str, ...], low: float, high: float) -> NDArray[np.int64]:
        """(n, 2) rows and columns."""
        ground = self.scene.where(*names)
        if ground is None:
            return np.zeros((0, 2), np.int64)
        rows = np.arange(len(ground)) * self.step
        ground[(rows < low) | (rows > high)] = False
        return np.argwhere(ground) * self.step

    def _guessed(
        self, u: NDArray[np.float64], low: float, high: float, sizes: tuple[float, float], outline: Outline
    ) -> Spot:
        row = low + float(u[1]) * (high - low)
        reach = ROAD_HALF_WIDTH * metres_to_pixels(row, self.shape, self.scene)
        half = min(reach, self.shape[1] / 2) if self.shape[0] >= TINY else self.shape[1] / 2
        return self._spot(self.shape[1] / 2 + (2 * float(u[0]) - 1) * half, row, sizes, outline)

    def _spot(self, x: float, y: float, sizes: tuple[float, float], outline: Outline) -> Spot:
        """Moved sideways so that the largest size is inside the image."""
        scale = self._clipped(metres_to_pixels(y, self.shape, self.scene), sizes, outline)
        half = sizes[1] * scale * outline.width / 2
        return Spot(
            float(np.clip(x, min(half, self.shape[1] / 2), max(self.shape[1] - half, half))), y, scale
        )

    def _best(self, spots: list[Spot], size: float, outline: Outline) -> Spot:
        """The first place that is free, else the one with the least in the way. It is taken from then on."""
        costs = []
        for spot in spots:
            costs.append(self._cost(spot.box(size, outline)))
            if costs[-1] == 0:
                break
        best = spots[int(np.argmin(costs))]
        self.taken.append(best.box(size, outline))
        return best

    def _cost(self, box: Box) -> float:
        x0, y0, x1, y1 = box
        area = max((x1 - x0) * (y1 - y0), 1e-6)
        cost = 0.0
        for a0, b0, a1, b1 in self.taken:
            cost += max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0)) / area
        at = (
            slice(max(int(y0) // self.step, 0), int(y1) // self.step + 1),
            slice(max(int(x0) // self.step, 0), int(x1) // self.step + 1),
        )
        if self._void is not None and self._void[at].size:
            share = float(self._void[at].mean())
            cost += share if share > 0.05 else 0.0
        if self._people is not None:
            hidden = np.bincount(self._people[at].ravel(), minlength=2)[1:]
            all_of = np.bincount(self._people.ravel())[1 : len(hidden) + 1]
            worst = float((hidden / np.maximum(all_of, 1)).max(initial=0))
            cost += 2 * worst if worst > MOST_HIDDEN else 0.0
        return cost
