"""Regions of local anomalies: a star-shaped region that grows about its centre, in a crop of the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape

AREA = (0.0005, 0.002, 0.005, 0.015, 0.04)
SMALLEST_AREA = (6.0, 10.0, 16.0, 25.0, 38.0)
LARGEST_SIDE = 0.9
PLACES = 8
VISIBLE = 3
Level = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Outline:
    """The shape of a region with an area of 1, about (0, 0).

    Attributes:
        level: of coordinates x and y: below 1 inside, and proportional to the distance from the centre, so that
            a larger region holds the smaller ones.
        half_width, half_height: of the box around it.
        inner: distance of the edge from the centre where it is closest.
    """

    level: Level
    half_width: float
    half_height: float
    inner: float


def rectangle(aspect: float, degrees: float = 0.0) -> Outline:
    """A rectangle, width / height ``aspect``, turned."""
    a, b = math.sqrt(aspect) / 2, 1 / math.sqrt(aspect) / 2
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def level(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.maximum(np.abs(c * x + s * y) / np.float32(a), np.abs(c * y - s * x) / np.float32(b))

    return Outline(level, a * abs(c) + b * abs(s), a * abs(s) + b * abs(c), min(a, b))


def blob(rng: np.random.Generator) -> Outline:
    """A lobed ellipse."""
    aspect, turn = math.exp(rng.uniform(-0.5, 0.5)), rng.uniform(0, math.pi)
    sizes, phases = rng.uniform(0.05, 0.16, 3), rng.uniform(0, 2 * math.pi, 3)
    radius = math.sqrt(1 / math.pi / (1 + float(np.sum(sizes**2)) / 2))
    c, s = math.cos(turn), math.sin(turn)

    def level(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        u, v = (c * x + s * y) / math.sqrt(aspect), (c * y - s * x) * math.sqrt(aspect)
        angle = np.arctan2(v, u)
        lobes = sum(size * np.cos((k + 2) * angle + phases[k]) for k, size in enumerate(sizes))
        return (np.hypot(u, v) / (radius * (1 + lobes))).astype(np.float32)

    stretch = max(math.sqrt(aspect), 1 / math.sqrt(aspect))
    reach, inner = radius * (1 + float(sizes.sum())) * stretch, radius * (1 - float(sizes.sum())) / stretch
    return Outline(level, reach, reach, inner)


@dataclass(frozen=True)
class Region:
    """An outline at a place in an image.

    Attributes:
        outline: its shape. centre: (x, y) in pixels. scale: square root of its area in pixels.
        largest: the scale of the highest severity; the crop is its box.
        shape: (H, W) of the image.
    """

    outline: Outline
    centre: tuple[float, float]
    scale: float
    largest: float
    shape: Shape

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns around the region at its largest, with two pixels of margin in the image."""
        (x, y), h, w = self.centre, *self.shape
        dx, dy = self.outline.half_width * self.largest + 3, self.outline.half_height * self.largest + 3
        return (
            slice(max(0, math.floor(y - dy)), min(h, math.ceil(y + dy) + 1)),
            slice(max(0, math.floor(x - dx)), min(w, math.ceil(x + dx) + 1)),
        )

    def inside(self, softness: float = 1.0) -> Map:
        """How far the pixels of the crop belong to the region, (h, w) in [0, 1]: the share of each that is
        covered, or an edge that is ``softness`` pixels wide.
        """
        rows, columns = self.crop
        x = np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(self.centre[0])
        y = np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(self.centre[1])
        level = self.outline.level(x[None, :] / np.float32(self.scale), y[:, None] / np.float32(self.scale))
        steepness = np.float32(self.scale * self.outline.inner / softness)
        return np.clip((1 - level) * steepness + np.float32(0.5), 0, 1)


def placed(
    rng: np.random.Generator, outline: Outline, severity: int, shape: Shape, scene: Scene, area: float = 1.0
) -> Region:
    """A region somewhere in the image, all of it inside, on void only where the scene leaves no choice.

    Its area is the severity's share of the image (0.0005, 0.002, 0.005, 0.015, 0.04) times ``area``; at least 6
    to 38 pixels; at most what leaves a tenth of the height and the width.
    """
    h, w = shape
    fits = min(LARGEST_SIDE * h / (2 * outline.half_height), LARGEST_SIDE * w / (2 * outline.half_width))
    scales = [
        math.sqrt(max(share * area * h * w, few)) for share, few in zip(AREA, SMALLEST_AREA, strict=True)
    ]
    shrink = min(1.0, fits / scales[-1])
    largest = scales[-1] * shrink
    half = np.array([outline.half_width, outline.half_height]) * largest
    low, high = np.minimum(half, np.array([w, h]) / 2 - 1), np.maximum(np.array([w, h]) - half - 1, 0)
    places = low + rng.random((PLACES, 2)) * np.maximum(high - low, 0)
    known = [p for p in places if scene.void is None or not scene.void[int(p[1]), int(p[0])]]
    x, y = np.rint(known[0] if known else places[0])
    return Region(outline, (float(x), float(y)), scales[severity - 1] * shrink, largest, shape)


def visible_change(before: Image, after: Image) -> Map:
    """Alpha from what really changed, as in NSA (Schluter et al., ECCV 2022): nothing is labelled that nobody can
    see, whatever was pasted there.

    The largest change of the pixel's channels, or the median of its 3 x 3 neighbourhood where that is larger (a
    pixel that happens to match inside a patch belongs to it): 1 level is alpha 0, 3 are 0.5, anomalous, 5 are 1.

    Args:
        before, after: (h, w, C) uint8.

    Returns:
        (h, w) float32 in [0, 1], positive wherever a channel changed by more than 1.
    """
    change = np.asarray(cv2.absdiff(before, after)).reshape(before.shape).max(axis=2)
    median = np.asarray(cv2.medianBlur(change, 3)).reshape(change.shape)
    levels = np.maximum(change, median).astype(np.float32)
    return np.clip((levels - 1) / np.float32(2 * (VISIBLE - 1)), 0, 1)
