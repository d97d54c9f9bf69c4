"""Grease wiped over the lens in arcs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, working_shape
from anomalies.toolkit.lens import layered, lit, opacity_of

GREASE = (0.72, 0.73, 0.72)
SMEAR_COVERAGE = (0.08, 0.16, 0.28, 0.42, 0.58)
SMEAR_OPACITY = (0.35, 0.45, 0.52, 0.60, 0.68)
SMEAR_BLUR = (0.008, 0.011, 0.015, 0.020, 0.026)


@dataclass(frozen=True)
class Smear(Anomaly):
    """Grease wiped over the lens in arcs: fine curved streaks that dull and blur the scene behind them.

    The severity sets the share of the image that is covered (opacity >= 0.05): 8, 16, 28, 42, 58 %; the opacity of
    its densest fifth: 0.35, 0.45, 0.52, 0.60, 0.68; and the blur behind it: 0.008 to 0.026 H.
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
