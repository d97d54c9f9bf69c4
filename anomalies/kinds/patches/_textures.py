"""Textures that belong to nothing, for anomalies that need no data set of textures."""

from __future__ import annotations

import numpy as np

from anomalies.base import Image, Map
from anomalies.toolkit.fields import Shape, fbm, resized, smoothstep

GRAIN = 5.0
FINEST = 4


def texture(rng: np.random.Generator, shape: Shape, unit: float) -> Image:
    """Stripes, checks, blotches or veins in two colours, bent, stained and with a fine grain.

    Args:
        shape: (h, w).
        unit: about ten times the size of the pattern, in pixels; the image height gives what a driver would see
            on a wall.

    Returns:
        (h, w, 3) RGB uint8.
    """
    which, turn, size = int(rng.integers(4)), rng.uniform(0, np.pi), rng.uniform(0.03, 0.1) * unit
    dark, light = rng.integers(10, 140, 3), rng.integers(110, 250, 3)
    grid = tuple(max(2, -(-side // FINEST)) for side in shape) if min(shape) > 64 else shape
    per_pixel = shape[0] / grid[0]
    fields = [fbm(rng, (grid[0], grid[1]), unit * cell / per_pixel, 4) for cell in (0.2, 0.3, 0.06)]
    bend, stain, blotches = (resized(field, shape) for field in fields)
    wave = 2 * np.pi / max(size, 3)
    rows, columns = np.indices(shape, dtype=np.float32)
    c, s = np.float32(np.cos(turn) * wave), np.float32(np.sin(turn) * wave)
    u, v = c * columns + s * rows + bend, c * rows - s * columns + bend
    pattern = _pattern(which, u, v, blotches) + np.float32(0.15) * stain
    grain = rng.standard_normal(shape, dtype=np.float32)[..., None] * np.float32(GRAIN)
    difference = (light - dark).astype(np.float32)
    colours = dark.astype(np.float32) + np.clip(pattern, -0.2, 1.2)[..., None] * difference + grain
    return np.clip(colours + 0.5, 0, 255).astype(np.uint8)


def _pattern(which: int, u: Map, v: Map, blotches: Map) -> Map:
    """(h, w), mostly from 0 to 1."""
    if which == 0:
        return smoothstep(np.sin(u), -0.3, 0.3)
    if which == 1:
        return smoothstep(np.sin(u) * np.sin(v), -0.15, 0.15)
    if which == 2:
        return smoothstep(blotches, -0.4, 0.6)
    return 1 - smoothstep(np.abs(np.sin(0.5 * u + blotches)), 0.0, 0.5)
