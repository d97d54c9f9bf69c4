"""Pictures of the procedural objects: rendered, lit by sky and sun, cut out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from anomalies.toolkit.fields import blurred, fbm
from anomalies.toolkit.objects.animals import ANIMALS
from anomalies.toolkit.objects.materials import GROUND_SHADE, shaded
from anomalies.toolkit.objects.shapes import RNG, SHAPES
from anomalies.toolkit.objects.solids import Solid, View, rotation, seen

WOBBLING = {"sacks": 0.02, "log": 0.012, "mattress": 0.006, **dict.fromkeys(ANIMALS, 0.008)}
TONES = np.rint(255 * np.linspace(0, 1, 4096) ** (1 / 1.5)).astype(np.uint8)


def drawn(name: str, rng: RNG, side: int) -> Image:
    """A picture of an object.

    Args:
        name: a key of `SHAPES`.
        side: length of its longer side in pixels, about.

    Returns:
        (h, w, 4) uint8 RGBA, not premultiplied, cut to the object, hard edges.
    """
    solids = SHAPES[name](rng)
    yaw, pitch = rng.uniform(-50, 50), rng.uniform(4, 14)
    light = np.array([rng.uniform(-0.9, 0.9), rng.uniform(0.6, 1.1), rng.uniform(0.2, 0.7)])
    view = seen(solids, rotation(x=pitch) @ rotation(y=yaw), side)
    noise = fbm(rng, view.depth.shape, side / 5, octaves=6, gain=0.62)
    sun = (light / np.linalg.norm(light)).astype(np.float32)
    rgba = _painted(solids, view, noise, sun)
    return _cut(_wobbled(rgba, rng, WOBBLING.get(name, 0.0) * side))


def _painted(solids: list[Solid], view: View, noise: NDArray[np.float32], sun: Any) -> Image:
    rgba = np.zeros((*view.part.shape, 4), np.uint8)
    openness = _openness(view)
    for number, solid in enumerate(solids):
        at: Any = np.nonzero(view.part == number)
        albedo = solid.material.albedo(view.point[at], noise[at])
        gloss = np.full(len(albedo), solid.material.gloss, np.float32)
        light = shaded(albedo, view.normal[at], sun, gloss, openness[at])
        rgba[at[0], at[1], :3] = TONES[(light * 4095).clip(0, 4095).astype(np.int16)]
    rgba[..., 3] = 255 * (view.part >= 0).astype(np.uint8)
    return rgba


def _openness(view: View) -> NDArray[np.float32]:
    """Less light where other parts stand in front, and towards the ground."""
    there = (view.part >= 0).astype(np.float32)
    height = view.part.shape[0]
    width = max(view.part.shape) / 24
    depth = np.where(view.part >= 0, view.depth, 0)
    extent = max(float(depth.max() - depth.min()), 1e-3)
    around = blurred(depth * there, width) / np.maximum(blurred(there, width), 1e-3)
    hidden = np.clip(3 * (around - depth) / np.float32(extent), 0, 0.5)
    above = 1 - (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    low = np.float32(GROUND_SHADE) * np.exp(-above / np.float32(0.12))
    return ((1 - hidden) * (1 - low)).astype(np.float32)


def _wobbled(rgba: Image, rng: RNG, amount: float) -> Image:
    """Crooked outlines: nothing soft or grown is a perfect ellipsoid."""
    shape = (rgba.shape[0], rgba.shape[1])
    dx, dy = (fbm(rng, shape, max(shape) / 6, octaves=3) for _ in range(2))
    if amount < 0.3:
        return rgba
    rows, columns = np.indices(shape, dtype=np.float32)
    amount32 = np.float32(amount)
    moved: Any = cv2.remap(rgba, columns + amount32 * dx, rows + amount32 * dy, cv2.INTER_NEAREST)
    return moved


def _cut(rgba: Image) -> Image:
    rows, columns = (np.flatnonzero(rgba[..., 3].any(axis=axis)) for axis in (1, 0))
    return np.ascontiguousarray(rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
