"""The camera is mounted, focused or read out wrongly: the scene is all there, in the wrong place.

Image and labels are warped with the same map. What comes in from outside the image is its reflection, so that
no black border gives the anomaly away, and void in the labels.

A mirrored or upside-down camera is not among the kinds: it has no degrees. Whatever is graded about it (a crop,
a roll of 180 degrees) is another kind's anomaly, and its mean difference to the clean image does not grow.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, fbm, working_shape
from anomalies.scene import VOID, Scene

ROLL = (1.0, 2.5, 5.0, 9.0, 15.0)
PITCH = (0.02, 0.04, 0.07, 0.12, 0.18)
FIELD_OF_VIEW = (0.97, 0.93, 0.88, 0.80, 0.70)
K1 = (0.02, 0.05, 0.10, 0.18, 0.30)
SKEW = (0.010, 0.020, 0.040, 0.080, 0.140)
AMPLITUDE = (0.001, 0.002, 0.004, 0.007, 0.012)
ELASTIC_CELL = 0.12
SPREAD = (0.9, 1.1)
SMALLEST_ELASTIC = 64

Maps = tuple[Map, Map]


def warp(
    image: Image, labels: NDArray[np.uint8] | None, maps: Maps
) -> tuple[Image, NDArray[np.uint8] | None]:
    """Image and labels as seen through a map.

    Args:
        image: (H, W, C) uint8. labels: (H, W) uint8 or None.
        maps: columns and rows of the source, (H, W) float32 in pixels, for each pixel of the result.

    Returns:
        The image, bicubic, continued by reflection; the labels, nearest neighbour, 255 outside.
    """
    seen: Any = cv2.remap(image, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if labels is None:
        return seen.reshape(image.shape), None
    moved: Any = cv2.remap(labels, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID)
    return seen.reshape(image.shape), moved


@dataclass(frozen=True)
class Warp(Anomaly):
    """A kind that moves pixels and paints none; subclasses say where each pixel comes from."""

    family = "geometric"
    level = "image"

    @abstractmethod
    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        """Source columns and rows for each pixel of an (H, W) image, and details for the manifest."""

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        maps, details = self.source(rng, (image.shape[0], image.shape[1]))
        seen, labels = warp(image, scene.labels, maps)
        return Rendered(seen, None, labels, details=details)


@dataclass(frozen=True)
class Roll(Warp):
    """The camera is turned about its viewing direction: by 1, 2.5, 5, 9, 15 degrees, give or take a tenth, to
    either side.
    """

    kind = "roll"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        degrees = self.of(ROLL) * _signed(rng)
        x, y = _centred(shape)
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return _in_pixels(cosine * x - sine * y, sine * x + cosine * y, shape), {"degrees": degrees}


@dataclass(frozen=True)
class Pitch(Warp):
    """The camera looks up or down: the horizon moves by 0.02, 0.04, 0.07, 0.12, 0.18 H, give or take a tenth,
    and verticals converge, as they do when a pinhole camera is turned.

    Args:
        focal_length: of the camera, in fractions of H (Cityscapes: 2.2).

    Raises:
        ValueError: a focal length that is not a number from 0.5 to 10.
    """

    kind = "pitch"

    focal_length: float = 1.6

    def __post_init__(self) -> None:
        super().__post_init__()
        number = isinstance(self.focal_length, int | float) and not isinstance(self.focal_length, bool)
        if not number or not 0.5 <= self.focal_length <= 10:
            raise ValueError(
                f"pitch: focal_length must be a number from 0.5 to 10 (x H), got {self.focal_length!r}"
            )

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        shift, f = self.of(PITCH) * _signed(rng), self.focal_length
        x, y = _centred(shape)
        cosine, sine = math.cos(math.atan(shift / f)), math.sin(math.atan(shift / f))
        depth = cosine - sine * y / f
        return _in_pixels(x / depth, (cosine * y + sine * f) / depth, shape), {"shift": shift}


@dataclass(frozen=True)
class Zoomed(Warp):
    """A lens of longer focal length, or a wrong crop: 0.97, 0.93, 0.88, 0.80, 0.70 of the field of view fill
    the image. The crop is off centre by up to half of what is lost.
    """

    kind = "zoomed"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        share = self.of(FIELD_OF_VIEW)
        right, down = (float(part) for part in rng.uniform(-0.5, 0.5, 2))
        x, y = _centred(shape)
        left_over = (1 - share) / 2
        columns = share * x + right * left_over * shape[1] / shape[0]
        return _in_pixels(columns, share * y + down * left_over, shape), {"field_of_view": share}


@dataclass(frozen=True)
class RadialDistortion(Warp):
    """A lens without its calibration: straight lines bend outwards (barrel) or inwards (pincushion). Source
    radius r (1 + k r^2), r in half diagonals of the image, |k| 0.02, 0.05, 0.10, 0.18, 0.30, give or take a
    tenth.
    """

    kind = "radial_distortion"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        k = self.of(K1) * _signed(rng)
        x, y = _centred(shape)
        half_diagonal = math.hypot(shape[0], shape[1]) / (2 * shape[0])
        bend = 1 + np.float32(k / half_diagonal**2) * (x * x + y * y)
        return _in_pixels(x * bend, y * bend, shape), {"k": k}


@dataclass(frozen=True)
class RollingShutter(Warp):
    """Rows are read out one after the other while the car turns and shakes: verticals lean by 0.01, 0.02, 0.04,
    0.08, 0.14 H from top to bottom, give or take a tenth, with a wobble of a sixth of it.
    """

    kind = "rolling_shutter"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        skew, phase, periods = self.of(SKEW) * _signed(rng), rng.uniform(0, 2 * np.pi), rng.uniform(1, 2.5)
        x, y = _centred(shape)
        wobble = np.sin(np.float32(2 * np.pi * periods) * y + np.float32(phase)) / 6
        return _in_pixels(x + np.float32(skew) * (y + wobble), y, shape), {"skew": skew}


@dataclass(frozen=True)
class Elastic(Warp):
    """The scene seen through hot air or a wavy windscreen: displaced by smooth random waves, 0.12 H wide, of
    0.001, 0.002, 0.004, 0.007, 0.012 H (standard deviation; on images of less than 64 rows as on 64).
    """

    kind = "elastic"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        grid = working_shape(shape)
        pixels = np.float32(self.of(AMPLITUDE) * max(shape[0], SMALLEST_ELASTIC))
        right, down = (
            cv2.resize(fbm(rng, grid, ELASTIC_CELL * grid[0], octaves=2), shape[::-1]) * pixels for _ in "xy"
        )
        columns = np.arange(shape[1], dtype=np.float32)[None, :] + right
        return (columns, np.arange(shape[0], dtype=np.float32)[:, None] + down), {"pixels": float(pixels)}


def _signed(rng: np.random.Generator) -> float:
    """A factor near 1, of either sign."""
    side, size = rng.random(), float(rng.uniform(*SPREAD))
    return size if side < 0.5 else -size


def _centred(shape: Shape) -> Maps:
    """Coordinates of the pixels' centres about the image's, in fractions of H: (1, W) and (H, 1)."""
    h, w = shape
    x = (np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2)) / np.float32(h)
    y = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2)) / np.float32(h)
    return x[None, :], y[:, None]


def _in_pixels(x: NDArray[Any], y: NDArray[Any], shape: Shape) -> Maps:
    """Columns and rows from centred fractions of H, each (H, W) float32."""
    h, w = shape
    columns = x.astype(np.float32) * np.float32(h) + np.float32((w - 1) / 2)
    rows = y.astype(np.float32) * np.float32(h) + np.float32((h - 1) / 2)
    everywhere = [np.ascontiguousarray(np.broadcast_to(part, shape)) for part in (columns, rows)]
    return everywhere[0], everywhere[1]


KINDS: tuple[type[Anomaly], ...] = (Roll, Pitch, Zoomed, RadialDistortion, RollingShutter, Elastic)
