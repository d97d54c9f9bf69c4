"""Dirt on the lens: mud, dust, grease, and what the other files of the family draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, blurred, fbm, resized, warped, working_shape
from anomalies.parts.crack import Crack
from anomalies.parts.debris import Insect, Leaf
from anomalies.parts.drops import WaterDrops
from anomalies.parts.frost import Frost
from anomalies.parts.lens import LEAST_OPACITY, discs, layered, lit, opacity_of
from anomalies.scene import Scene

COVERAGE = (0.03, 0.08, 0.18, 0.32, 0.50)
DENSE_SHARE = (0.10, 0.10, 0.25, 0.45, 0.65)
DENSE_OPACITY = (0.70, 0.85, 0.85, 0.85, 0.85)
LARGEST_OPACITY = (0.79, 0.97, 0.98, 0.99, 1.00)
BLUR_BEHIND = (0.010, 0.013, 0.016, 0.020, 0.025)
DEFOCUS = 0.004
EDGE_BLUR = 0.005
DROPS_PER_SQUARE = 90
SMALLEST_DROP = 0.8
DUST = (0.80, 0.74, 0.64)
GREASE = (0.72, 0.73, 0.72)


@dataclass(frozen=True)
class Mud(Anomaly):
    """Splashed mud and dirt on the lens: patches and drops, thin at the edge, opaque in the middle.

    The severity sets the share of the image that is covered (opacity >= 0.05): 3, 8, 18, 32, 50 %; how much of
    that is opaque (>= 0.8): none, 10, 25, 45, 65 %; and the blur behind thin dirt: 0.010 to 0.025 H. At every
    severity the dirt lies in the same places; it grows outwards. Opaque mud has the colour of soil, lit by a
    heavily blurred copy of the image, so that it is dark at night.

    Args:
        albedo: share of the light that the dirt reflects in red, green, blue.

    Raises:
        ValueError: an albedo that is not three numbers from 0 to 1.
    """

    kind = "mud"
    family = "soiling"
    level = "pixel"

    albedo: tuple[float, float, float] = (0.46, 0.37, 0.27)

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = isinstance(self.albedo, tuple) and all(isinstance(a, int | float) for a in self.albedo)
        if not numbers or len(self.albedo) != 3 or not all(0 <= a <= 1 for a in self.albedo):
            raise ValueError(f"mud: albedo must be three numbers from 0 to 1, got {self.albedo!r}")

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        thickness = _thickness(rng, shape)
        shade = 1 + np.float32(0.10) * fbm(rng, shape, shape[0] / 12, octaves=4)
        opacity = opacity_of(
            thickness,
            self.of(COVERAGE),
            self.of(DENSE_SHARE),
            self.of(DENSE_OPACITY),
            self.of(LARGEST_OPACITY),
        )
        opacity = blurred(opacity, max(0.5, EDGE_BLUR * shape[0]))
        small = resized(image, shape).reshape(*shape, -1)
        dirt = lit(image, small, self.albedo, shade * (1.05 - np.float32(0.35) * opacity))
        return layered(image, small, opacity, dirt, self.of(BLUR_BEHIND))


def _thickness(rng: np.random.Generator, shape: Shape) -> Map:
    """Relative thickness of the dirt: torn patches, gathered in some parts of the lens, and drops."""
    h = shape[0]
    gathered = fbm(rng, shape, 0.7 * h, octaves=2)
    patches = fbm(rng, shape, 0.22 * h, octaves=6, gain=0.6)
    dirt = warped(0.55 * patches + 2.2 * _drops(rng, shape), rng, 0.018 * h, 0.09 * h)
    return blurred(0.75 * gathered + dirt, max(0.8, DEFOCUS * h))


def _drops(rng: np.random.Generator, shape: Shape) -> Map:
    """Thickness of drops, mostly small ones, drawn out along one direction of splash."""
    h, w = shape
    count = round(DROPS_PER_SQUARE * w / h)
    centres = rng.random((count, 2)) * (w, h)
    radii = np.minimum(0.005 * h / rng.random(count) ** 0.6, 0.05 * h)
    direction = rng.uniform(0, 180)
    angles = direction + rng.normal(0, 15, count)
    ratios = rng.uniform(1, 1.6, count)
    large = radii >= SMALLEST_DROP
    drops = np.zeros(shape, dtype=np.float32)
    for x, y, radius, angle, ratio in np.column_stack((centres, radii, angles, ratios))[large]:
        axes = (max(1, round(16 * radius * ratio)), max(1, round(16 * radius / ratio)))
        cv2.ellipse(drops, (round(16 * x), round(16 * y)), axes, angle, 0, 360, 1.0, -1, cv2.LINE_8, 4)
    return blurred(drops, 0.004 * h)


DUST_COVERAGE = (0.25, 0.45, 0.65, 0.82, 0.95)
DUST_OPACITY = (0.22, 0.30, 0.40, 0.50, 0.60)
DUST_BLUR = (0.003, 0.004, 0.005, 0.006, 0.008)
GRAINS_PER_SQUARE = 400


@dataclass(frozen=True)
class DustFilm(Anomaly):
    """Dried dust on the lens: a pale film, cloudy and grainy, that scatters light and takes away contrast.

    The severity sets the share of the image that is covered (opacity >= 0.05): 25, 45, 65, 82, 95 %; the
    opacity of its densest tenth: 0.22, 0.30, 0.40, 0.50, 0.60; and the blur behind it: 0.003 to 0.008 H.
    """

    kind = "dust_film"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h, w = shape
        clouds = fbm(rng, shape, 0.8 * h, octaves=2) + 0.5 * fbm(rng, shape, 0.12 * h, octaves=6, gain=0.65)
        count = round(GRAINS_PER_SQUARE * w / h)
        centres, radii = rng.random((count, 2)) * (w, h), h * (0.002 + 0.003 * rng.random(count) ** 2)
        thickness = clouds + np.float32(1.2) * discs(shape, centres, radii, max(0.6, 0.002 * h))
        dense = self.of(DUST_OPACITY)
        opacity = opacity_of(thickness, self.of(DUST_COVERAGE), 0.10, dense, 1.25 * dense, LEAST_OPACITY[0])
        small = resized(image, shape).reshape(h, w, -1)
        film = lit(image, small, DUST, np.ones(shape, dtype=np.float32)) + 10
        return layered(image, small, opacity, film, self.of(DUST_BLUR))


SMEAR_COVERAGE = (0.08, 0.16, 0.28, 0.42, 0.58)
SMEAR_OPACITY = (0.35, 0.45, 0.52, 0.60, 0.68)
SMEAR_BLUR = (0.008, 0.011, 0.015, 0.020, 0.026)


@dataclass(frozen=True)
class Smear(Anomaly):
    """Grease wiped over the lens in arcs: fine curved streaks, behind which the scene is dull and blurred.

    The severity sets the share of the image that is covered (opacity >= 0.05): 8, 16, 28, 42, 58 %; the opacity
    of its densest fifth: 0.35, 0.45, 0.52, 0.60, 0.68; and the blur behind it: 0.008 to 0.026 H.
    """

    kind = "smear"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        wiped = _wiped(rng, shape)
        dense = self.of(SMEAR_OPACITY)
        opacity = opacity_of(wiped, self.of(SMEAR_COVERAGE), 0.20, dense, 1.15 * dense)
        opacity = blurred(opacity, max(0.5, 0.002 * shape[0]))
        small = resized(image, shape).reshape(*shape, -1)
        grease = lit(image, small, GREASE, np.ones(shape, dtype=np.float32)) + 18
        return layered(image, small, opacity, grease, self.of(SMEAR_BLUR))


def _wiped(rng: np.random.Generator, shape: Shape) -> Map:
    """Thickness of what a cloth left: streaks along arcs around a point outside the image, in a few swipes."""
    h, w = shape
    radius, towards = rng.uniform(1.0, 2.5) * h, rng.uniform(0, 2 * np.pi)
    x0, y0 = w / 2 + (radius + w / 4) * np.cos(towards), h / 2 + (radius + h / 4) * np.sin(towards)
    rows, columns = np.indices(shape, dtype=np.float32)
    dx, dy = (columns - np.float32(x0)) / h, (rows - np.float32(y0)) / h
    across = np.hypot(dx, dy)
    c, s = np.float32(-np.cos(towards)), np.float32(-np.sin(towards))
    along = np.arctan2(dy * c - dx * s, dx * c + dy * s) * across
    across, along = across - across.min(), along - along.min()
    swipes = _sampled(fbm(rng, (64, 64), 10, octaves=2), across * 18, along * 6)
    streaks = _sampled(fbm(rng, (512, 64), 24, octaves=5, gain=0.75), across * 200, along * 9)
    return swipes + np.float32(0.55) * streaks


def _sampled(field: Map, rows: Map, columns: Map) -> Map:
    """The field at the given places, mirrored outside."""
    values: Any = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return values


KINDS: tuple[type[Anomaly], ...] = (Mud, DustFilm, Smear, WaterDrops, Frost, Crack, Leaf, Insect)
