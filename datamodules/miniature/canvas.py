"""A canvas that draws image, label map and instance map together, seen by a camera above a flat road."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Colour = tuple[float, float, float]
SHIFT = 4
OVERSAMPLING = 2
_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Camera:
    """A pinhole 1.3 m above the road, looking along z (metres); x to the right, y up.

    Attributes:
        size: (H, W) of the image in pixels. horizon: its row as a fraction of H. turn: x of the vanishing
            point, in pixels off centre.
    """

    size: tuple[int, int]
    horizon: float = 0.42
    turn: float = 0.0
    height: float = 1.3

    @property
    def focal(self) -> float:
        """Focal length in pixels; Cityscapes has 2.2 image heights."""
        return 1.25 * self.size[0]

    def project(self, x: float, y: float, z: float) -> Point:
        """Column and row of a point."""
        z = max(z, 0.5)
        return (
            self.size[1] / 2 + self.turn * min(1.0, z / 40) + self.focal * x / z,
            self.horizon * self.size[0] + self.focal * (self.height - y) / z,
        )


@dataclass
class Canvas:
    """Image (float32 RGB in [0, 1]), labels (uint8) and instances (int32, 0 none), at twice the camera's
    resolution.
    """

    camera: Camera
    image: NDArray[np.float32] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)
    instances: NDArray[np.int32] = field(init=False)
    instance: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        shape = (self.camera.size[0] * OVERSAMPLING, self.camera.size[1] * OVERSAMPLING)
        self.image = np.zeros((*shape, 3), dtype=np.float32)
        self.labels = np.zeros(shape, dtype=np.uint8)
        self.instances = np.zeros(shape, dtype=np.int32)

    def _fixed(self, points: Any) -> NDArray[np.int32]:
        scaled = np.asarray(points, dtype=np.float64) * OVERSAMPLING * (1 << SHIFT)
        return np.clip(np.round(scaled), -(2**24), 2**24).astype(np.int32)

    def polygon(self, points: Any, colour: Colour, label: int | None = None) -> None:
        """Fill a polygon given in image pixels; without a label only the image changes."""
        corners = [self._fixed(points)]
        cv2.fillPoly(self.image, corners, tuple(map(float, colour)), cv2.LINE_8, SHIFT)
        if label is not None:
            cv2.fillPoly(self.labels, corners, int(label), cv2.LINE_8, SHIFT)
            cv2.fillPoly(self.instances, corners, int(self.instance), cv2.LINE_8, SHIFT)

    def solid(self, points: Any, colour: Colour, label: int | None = None) -> None:
        """Fill a polygon of points (x, y, z) in metres."""
        self.polygon([self.camera.project(*point) for point in points], colour, label)

    def ellipse(self, centre: Point, axes: Point, colour: Colour, label: int | None = None) -> None:
        """Fill an ellipse: centre and half axes in image pixels."""
        self.polygon(CIRCLE * axes + centre, colour, label)

    def shade(self, centre: Point, axes: Point, strength: float) -> None:
        """Darken a soft elliptical patch: a contact shadow."""
        scale = OVERSAMPLING
        x0, x1 = int((centre[0] - 1.4 * axes[0]) * scale), int((centre[0] + 1.4 * axes[0]) * scale) + 1
        y0, y1 = int((centre[1] - 1.4 * axes[1]) * scale), int((centre[1] + 1.4 * axes[1]) * scale) + 1
        height, width = self.labels.shape
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        if x0 >= x1 or y0 >= y1:
            return
        dx = (np.arange(x0, x1, dtype=np.float32) / scale - centre[0]) / max(axes[0], 0.5)
        dy = (np.arange(y0, y1, dtype=np.float32) / scale - centre[1]) / max(axes[1], 0.5)
        reach = dx[None] ** 2 + dy[:, None] ** 2
        self.image[y0:y1, x0:x1] *= 1 - strength * np.clip(1.6 - reach, 0, 1)[..., None]

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32]]:
        """Image averaged down (antialiased), labels and instances picked, at the camera's resolution."""
        height, width = self.camera.size
        image = cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)
        pick = (slice(OVERSAMPLING // 2, None, OVERSAMPLING),) * 2
        return image, self.labels[pick].copy(), self.instances[pick].copy()  # type: ignore[return-value]


def tone(colour: Any, factor: float) -> Colour:
    """A colour made lighter (factor > 1) or darker, kept in [0, 1]."""
    r, g, b = (min(1.0, max(0.0, float(c) * factor)) for c in colour)
    return r, g, b


def noise(
    shape: tuple[int, int], random: np.random.Generator, cell: float, octaves: int = 4
) -> NDArray[np.float32]:
    """Smooth noise around 0, standard deviation about 1, coarsest features ``cell`` pixels wide."""
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        coarse = (max(2, round(shape[0] / size)), max(2, round(shape[1] / size)))
        grid = random.standard_normal(coarse, dtype=np.float32)
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_LINEAR) * np.float32(0.6**octave)
    return total
