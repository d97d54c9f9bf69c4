"""Blur: optics and motion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import blurred, resized
from anomalies.scene import Scene

RADIUS = (0.0015, 0.003, 0.005, 0.008, 0.012)
SMALLEST_RADIUS = (0.7, 0.9, 1.15, 1.45, 1.8)
SIGMA = (0.001, 0.002, 0.003, 0.005, 0.008)
SMALLEST_SIGMA = (0.35, 0.45, 0.58, 0.75, 1.0)
LENGTH = (0.006, 0.012, 0.02, 0.035, 0.055)
SMALLEST_LENGTH = (1.5, 2.0, 2.6, 3.4, 4.4)
ZOOM = (0.005, 0.01, 0.02, 0.035, 0.05)
SMALLEST_ZOOM = (1.5, 2.0, 2.6, 3.4, 4.4)
LENS_TOLERANCE = 0.08
SIDEWAYS = 0.7
FINEST_RADIUS = 2.5
OVERSAMPLING = 8


@dataclass(frozen=True)
class Defocus(Anomaly):
    """Out of focus: every point becomes a disc, the image of the aperture.

    The severity sets the disc's radius: 0.0015, 0.003, 0.005, 0.008, 0.012 H, on small images at least 0.7,
    0.9, 1.15, 1.45, 1.8 pixels. Lenses differ: the radius varies by up to 8 % across and along a direction
    that is drawn. Wide discs are drawn on a smaller grid.
    """

    kind = "defocus"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        size, angle = 1 + rng.uniform(-LENS_TOLERANCE, LENS_TOLERANCE, 2), rng.uniform(0, math.pi)
        radius = max(self.of(RADIUS) * full[0], self.of(SMALLEST_RADIUS))
        factor = max(1, int(radius / FINEST_RADIUS))
        small = resized(image, (-(-full[0] // factor), -(-full[1] // factor)))
        kernel = _disc(radius / factor * size[0], radius / factor * size[1], angle)
        soft: Any = cv2.filter2D(small, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return Rendered(resized(soft, full).reshape(image.shape), None)


@dataclass(frozen=True)
class GaussianBlur(Anomaly):
    """Softness as from a smeared filter glass or heavy noise reduction.

    The severity sets the standard deviation: 0.001, 0.002, 0.003, 0.005, 0.008 H, on small images at least
    0.35, 0.45, 0.58, 0.75, 1.0 pixels. It varies by up to 8 %.
    """

    kind = "gaussian_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        sigma = max(self.of(SIGMA) * image.shape[0], self.of(SMALLEST_SIGMA))
        soft = blurred(image, sigma * (1 + rng.uniform(-LENS_TOLERANCE, LENS_TOLERANCE)))
        return Rendered(soft.reshape(image.shape), None)


@dataclass(frozen=True)
class MotionBlur(Anomaly):
    """The camera turned during the exposure: everything is drawn out along one direction, mostly sideways
    (the vehicle turns), sometimes up and down (a bump in the road).

    The severity sets the length of the way: 0.006, 0.012, 0.02, 0.035, 0.055 H, on small images at least 1.5,
    2.0, 2.6, 3.4, 4.4 pixels. Across the direction nothing gets softer.
    """

    kind = "motion_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        sideways, turn = rng.random() < SIDEWAYS, math.radians(rng.normal(0, 12))
        angle = turn if sideways else turn + math.pi / 2
        length = max(self.of(LENGTH) * image.shape[0], self.of(SMALLEST_LENGTH))
        doublings = max(0, int(math.log2(length / 2)))
        piece = length / 2**doublings
        step = (piece * math.cos(angle), piece * math.sin(angle))
        # A short way is a kernel. Each doubling adds the image to itself, moved by the way so far.
        kernel = _segment(piece, angle)
        drawn: Any = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        for i in range(doublings):
            whole = [round(2**i * s) for s in step]
            # One half forwards, the next backwards keeps the image in its place.
            drawn = _with_moved(drawn.reshape(image.shape), whole if i % 2 else [-s for s in whole])
        return Rendered(drawn.reshape(image.shape), None)


@dataclass(frozen=True)
class ZoomBlur(Anomaly):
    """The vehicle drives fast in poor light: everything streams away from the point it drives to, far objects
    near that point stay sharp.

    The severity sets how much larger the image grows during the exposure: 0.005, 0.01, 0.02, 0.035, 0.05, on
    small images at least so much that corners move by 1.5, 2.0, 2.6, 3.4, 4.4 pixels. The point lies on the
    horizon, up to 0.1 W off the middle.
    """

    kind = "zoom_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        x, y = (w - 1) * (0.5 + rng.uniform(-0.1, 0.1)), (h - 1) * (scene.horizon + rng.uniform(-0.02, 0.02))
        reach = math.hypot(max(x, w - x), max(y, h - y))
        growth = math.log(1 + max(self.of(ZOOM), self.of(SMALLEST_ZOOM) / reach))
        doublings = max(1, math.ceil(math.log2(growth * reach / 1.5)))
        drawn: Any = image
        for i in range(doublings):
            scale = math.exp(growth * 2 ** (i - doublings))
            about = np.array([[scale, 0, x * (1 - scale)], [0, scale, y * (1 - scale)]])
            larger = cv2.warpAffine(
                drawn, about, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
            drawn = cv2.addWeighted(drawn, 0.5, larger.reshape(drawn.shape), 0.5, 0).reshape(image.shape)
        return Rendered(drawn, None)


def _disc(across: float, along: float, angle: float) -> Map:
    """Kernel of an elliptical disc: the covered share of each pixel, of sum 1."""
    half = math.ceil(max(across, along))
    fine = (np.arange(OVERSAMPLING * (2 * half + 1)) + 0.5) / OVERSAMPLING - half - 0.5
    x, y = np.meshgrid(fine, fine)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return _averaged((u / across) ** 2 + (v / along) ** 2 <= 1)


def _segment(length: float, angle: float) -> Map:
    """Kernel of a line one pixel wide: the covered share of each pixel, of sum 1."""
    half = math.ceil(length / 2 + 0.5)
    fine = (np.arange(OVERSAMPLING * (2 * half + 1)) + 0.5) / OVERSAMPLING - half - 0.5
    x, y = np.meshgrid(fine, fine)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    # An exact tent, not a covered share, along the line: lengths of a fraction of a pixel differ.
    inside = np.clip((length + 1) / 2 - np.abs(u), 0, 1) * np.clip(1 - np.abs(v), 0, 1)
    return _averaged(inside)


def _averaged(fine: NDArray[Any]) -> Map:
    n = fine.shape[0] // OVERSAMPLING
    coarse = fine.reshape(n, OVERSAMPLING, n, OVERSAMPLING).mean(axis=(1, 3))
    return (coarse / coarse.sum()).astype(np.float32)


def _with_moved(image: Image, step: list[int]) -> Image:
    """Average of the image and itself, moved by (dx, dy) whole pixels; what is missing at the border repeats
    the outermost pixel.
    """
    h, w = image.shape[:2]
    dx, dy = (int(np.clip(s, -side, side)) for s, side in zip(step, (w, h), strict=True))
    padded: Any = cv2.copyMakeBorder(
        image, max(dy, 0), max(-dy, 0), max(dx, 0), max(-dx, 0), cv2.BORDER_REPLICATE
    )
    y, x = max(-dy, 0), max(-dx, 0)
    mean: Any = cv2.addWeighted(image, 0.5, padded[y : y + h, x : x + w].reshape(image.shape), 0.5, 0)
    return mean.reshape(image.shape)


KINDS: tuple[type[Anomaly], ...] = (Defocus, GaussianBlur, MotionBlur, ZoomBlur)
