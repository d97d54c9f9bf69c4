"""Splashed mud on the lens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, warped, working_shape
from anomalies.toolkit.lens import layered, lit, opacity_of

COVERAGE = (0.03, 0.08, 0.18, 0.32, 0.50)
DENSE_SHARE = (0.10, 0.10, 0.25, 0.45, 0.65)
DENSE_OPACITY = (0.70, 0.85, 0.85, 0.85, 0.85)
LARGEST_OPACITY = (0.79, 0.97, 0.98, 0.99, 1.00)
BLUR_BEHIND = (0.010, 0.013, 0.016, 0.020, 0.025)
DEFOCUS = 0.004
EDGE_BLUR = 0.005
DROPS_PER_SQUARE = 90
SMALLEST_DROP = 0.8


@dataclass(frozen=True)
class Mud(Anomaly):
    """Splashed mud and dirt on the lens: patches and drops, thin at the edges, opaque in the middle.

    The severity sets the covered share of the image (opacity >= 0.05): 3, 8, 18, 32, 50 %; the opaque share of that
    (>= 0.8): none, 10, 25, 45, 65 %; and the blur behind thin dirt: 0.010 to 0.025 H. The dirt is in the same
    places at every severity and grows outwards. Opaque mud has the colour of soil, lit by a heavily blurred copy of
    the image, so it is dark at night.

    Args:
        albedo: share of the light that the dirt reflects in red, green and blue, 0 to 1 each.

    Raises:
        ValueError: the albedo is not three numbers from 0 to 1.
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
