"""Shadows on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import GROUND, Scene
from anomalies.toolkit.depth import FOCAL_LENGTH, guessed_road
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.light import colour, enlarged_alpha, over, uniform

FACTOR = (0.80, 0.65, 0.50, 0.38, 0.28)
AREA = (0.03, 0.08, 0.15, 0.25, 0.40)
MOST_OF_GROUND = 0.90
SHADE = (10, 13, 18)
PENUMBRA = 0.10
LEAVES = 0.55
PERIOD = 28.0


@dataclass(frozen=True)
class CastShadow(Anomaly):
    """Shadows on the ground, in perspective and with soft edges: of roofs (straight) and of trees (ragged). The
    remaining light is the bluish light of the sky.

    The severity sets the remaining light: 0.80, 0.65, 0.50, 0.38, 0.28, and the area: 3, 8, 15, 25, 40 % of the
    image, at most 90 % of its ground. The ground is taken from the labels, or lies below the horizon without
    labels. Alpha is 1 within a shadow at every severity.
    """

    kind = "cast_shadow"
    family = "lighting"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        field = _roofs_and_trees(rng, shape, scene)
        ground = _ground(shape, scene)
        inside = field[ground > 0.5]
        share = ground.mean(dtype=np.float64)
        covered = [min(area / share, MOST_OF_GROUND * (0.9 + 0.02 * i)) for i, area in enumerate(AREA)]
        level = np.quantile(inside, 1 - self.of(covered))
        alpha = smoothstep(field, level - PENUMBRA, level + PENUMBRA) * ground
        alpha = enlarged_alpha(blurred(alpha.astype(np.float32), max(0.4, 0.0015 * shape[0])), full)
        shade = uniform(colour(SHADE, image), image.shape)
        return Rendered(over(image, shade, alpha * np.float32(1 - self.of(FACTOR))), alpha)


def _ground(shape: Shape, scene: Scene) -> Map:
    """(h, w) share of ground, never empty."""
    known = scene.where(*GROUND)
    if known is not None:
        share = resized(known.astype(np.float32), shape)
        if (share > 0.5).mean() > 0.01:
            return share
    return guessed_road(shape, scene.horizon + 0.02, slope=2.8)


def _roofs_and_trees(rng: np.random.Generator, shape: Shape, scene: Scene) -> Map:
    """(h, w) how deep each point of the ground lies in shadow; the shadow of a severity is what lies above a
    threshold.
    """
    h, w = shape
    direction = rng.uniform(-0.9, 0.9) + (np.pi if rng.random() < 0.5 else 0.0)
    roofs, crowns = rng.standard_normal(64), fbm(rng, (256, 256), 40, octaves=6, gain=0.62)
    start = rng.uniform(3, 12)
    below = np.maximum((np.arange(h) + 0.5) / h - scene.horizon, 0.004)[:, None]
    depth = scene.camera_height * FOCAL_LENGTH / below
    aside = (np.arange(w) + 0.5 - w / 2)[None, :] / h * depth / FOCAL_LENGTH
    along = aside * np.cos(direction) + depth * np.sin(direction)
    across = -aside * np.sin(direction) + depth * np.cos(direction)
    # Houses 8 m wide.
    outline = roofs[(across // 8).astype(int) % len(roofs)]
    rows, columns = (np.abs(v * 6 % 510 - 255).astype(np.float32) for v in (along, across))
    leaves: Any = cv2.remap(crowns, columns, rows, cv2.INTER_LINEAR)
    rows_of_houses = 1.2 * np.cos(2 * np.pi * (along + 4 * outline - start) / PERIOD)
    # Far away, where a pixel holds metres of ground, only the large shapes are left.
    field: Map = (rows_of_houses * np.exp(-depth / 150) + LEAVES * leaves * np.exp(-depth / 50)).astype(
        np.float32
    )
    return field
