"""Rain drops and snow flakes in the air: many small bright strokes at different distances."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from anomalies.toolkit.fields import Shape, blurred, resized

LAYERS = 3
THINNEST = 0.9


class Particles(NamedTuple):
    """Positions (N, 2) in [0, 1) as (x, y), nearness (N,) in [0, 1), jitter (N, 2) standard normal."""

    positions: NDArray[np.float32]
    nearness: NDArray[np.float32]
    jitter: NDArray[np.float32]


def scattered(rng: np.random.Generator, shape: Shape, most: int, count: int) -> Particles:
    """The first ``count`` of ``most`` particles per square of the image height, mostly distant ones."""
    squares = shape[1] / shape[0]
    drawn, kept = round(most * squares), max(1, round(count * squares))
    positions = rng.random((drawn, 2), dtype=np.float32)
    nearness = rng.random(drawn, dtype=np.float32) ** 3
    jitter = rng.standard_normal((drawn, 2), dtype=np.float32)
    return Particles(positions[:kept], nearness[:kept], jitter[:kept])


def streaks(
    particles: Particles,
    shape: Shape,
    tilt: float,
    length: tuple[float, float],
    width: tuple[float, float],
    spread: float,
    shades: tuple[float, ...] = (1.0,),
) -> Image:
    """Light of the particles.

    Where a stroke would be thinner than a pixel it is drawn a pixel wide, and fewer are drawn for it.

    Args:
        tilt: direction of motion, radians from the vertical.
        length, width: of the farthest and nearest, as fractions of the image height.
        spread: deviation of the direction, radians.
        shades: brightness of the particles, equally many each; darkest first.

    Returns:
        (H, W) uint8, 0 to 255.
    """
    factor = 2 if shape[0] >= 512 else 1
    h, w = -(-shape[0] // factor), -(-shape[1] // factor)
    light = np.zeros((h, w), dtype=np.uint8)
    for layer in range(LAYERS):
        near = layer / (LAYERS - 1)
        inside = np.minimum(particles.nearness * LAYERS, LAYERS - 1).astype(int) == layer
        positions, jitter = particles.positions[inside], particles.jitter[inside]
        wide, long = (h * (low + near * (high - low)) for low, high in (width, length))
        kept = max(1, round(len(positions) * min(1, wide / THINNEST) * min(1, long / THINNEST)))
        positions, jitter = positions[:kept], jitter[:kept]
        angles = tilt + spread * jitter[:, 0]
        lengths = long * np.clip(1 + 0.35 * jitter[:, 1], 0.3, 2)
        motion = np.stack((np.sin(angles), np.cos(angles)), axis=1) * lengths[:, None]
        starts = positions * (w, h)
        ends = np.stack((starts, starts + motion), axis=1)
        drawn = np.zeros((h, w), dtype=np.uint8)
        strokes, thickness = np.rint(ends * 16).astype(np.int32), max(1, round(wide))
        for i, shade in enumerate(shades):
            own = strokes[i :: len(shades)]
            cv2.polylines(drawn, own, False, round(255 * shade), thickness, cv2.LINE_AA, 4)
        drawn = blurred(drawn, 0.35 * wide if wide > 1 else 0)
        light = np.maximum(light, (drawn * np.float32(1 - 0.5 * near)).astype(np.uint8))
    return resized(light, shape)
