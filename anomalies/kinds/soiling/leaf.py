"""Leaves that stick to the lens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, working_shape
from anomalies.toolkit.lens import layered, lit, spread

LEAF_LENGTH = (0.14, 0.20, 0.28, 0.37, 0.48)
LEAVES = (1, 1, 2, 2, 3)
LEAF_COLOURS = ((0.62, 0.48, 0.14), (0.42, 0.26, 0.13), (0.27, 0.36, 0.12), (0.52, 0.22, 0.11))
LEAF_OPACITY = 0.97
LEAF_BLUR = 0.007
VEINS = 6


@dataclass(frozen=True)
class Leaf(Anomaly):
    """Wet leaves on the lens: opaque, toothed, with ribs, strongly defocused.

    The severity sets their length: 0.14, 0.20, 0.28, 0.37, 0.48 H, and their number: 1, 1, 2, 2, 3.
    """

    kind = "leaf"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h, w = shape
        centres = (0.12 + 0.76 * spread(rng, LEAVES[-1])) * (w, h)
        turned, kinds = rng.uniform(0, 2 * np.pi, LEAVES[-1]), rng.integers(0, len(LEAF_COLOURS), LEAVES[-1])
        sizes, mottled = rng.uniform(0.85, 1.0, LEAVES[-1]), fbm(rng, shape, 0.06 * h, octaves=4)
        small = resized(image, shape).reshape(h, w, -1)
        shade = 1 + np.float32(0.10) * mottled
        opacity = np.zeros(shape, dtype=np.float32)
        layer = np.zeros(small.shape, dtype=np.float32)
        for i in range(self.of(LEAVES)):
            length = self.of(LEAF_LENGTH) * h * sizes[i]
            blade, ribs = _leaf(shape, centres[i], turned[i], length)
            leaf = lit(image, small, LEAF_COLOURS[kinds[i]], shade * (1 + np.float32(0.35) * ribs))
            layer += (blade > opacity)[..., None] * (leaf - layer)
            opacity = np.maximum(opacity, blade)
        return layered(image, small, np.float32(LEAF_OPACITY) * opacity, layer, 0.008)


def _leaf(shape: Shape, centre: NDArray[np.float64], turned: float, length: float) -> tuple[Map, Map]:
    """Blade and ribs of a leaf, (h, w) in [0, 1]; ``length`` in pixels."""
    t = np.linspace(0, 1, 49)
    teeth = 1 + 0.07 * (np.arange(49) % 4 - 1.5) / 1.5
    half = 0.33 * np.sin(np.pi * t**0.8) ** 0.9 * teeth
    bend = 0.10 * np.sin(np.pi * t)
    outline = np.concatenate((np.stack((t - 0.5, bend + half), 1), np.stack((t - 0.5, bend - half), 1)[::-1]))
    middle = np.stack((np.linspace(-0.68, 0.47, 40), np.interp(np.linspace(-0.18, 0.97, 40), t, bend)), 1)
    ribs = [middle]
    for at in np.linspace(0.12, 0.78, VEINS):
        foot = np.array((at - 0.5, np.interp(at, t, bend)))
        reach = 0.8 * np.interp(at + 0.1, t, half)
        ribs += [np.stack((foot, foot + reach * np.array((0.75, side)))) for side in (-1, 1)]
    rotation = np.array(((np.cos(turned), np.sin(turned)), (-np.sin(turned), np.cos(turned))))

    def fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
        placed: NDArray[np.int32] = np.rint((centre + length * points @ rotation) * 16).astype(np.int32)
        return placed

    blade, lines = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(blade, [fixed(outline)], 255, cv2.LINE_AA, 4)
    cv2.polylines(blade, [fixed(middle)], False, 255, max(1, round(0.02 * length)), cv2.LINE_AA, 4)
    cv2.polylines(
        lines, [fixed(rib) for rib in ribs], False, 255, max(1, round(0.012 * length)), cv2.LINE_AA, 4
    )
    soft = max(0.5, LEAF_BLUR * shape[0])
    return _unit(blurred(blade, soft)), _unit(blurred(lines, 0.5 * soft))


def _unit(levels: Image) -> Map:
    return levels.astype(np.float32) / np.float32(255)
