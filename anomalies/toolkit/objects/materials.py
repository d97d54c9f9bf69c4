"""Materials of objects and their shading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Map

RGB = tuple[float, float, float]
Points = NDArray[np.float32]
AMBIENT, SUN = 0.52, 0.62
GROUND_SHADE = 0.45


@dataclass(frozen=True)
class Material:
    """Colours in [0, 1] and how they are distributed.

    Args:
        colour: the main one. other: the second one of the pattern.
        pattern: a key of `PATTERNS`.
        count: how many stripes, planks, ...
        rough: how much fractal noise darkens and brightens.
        gloss: strength of the highlight.
    """

    colour: RGB
    other: RGB = (0.1, 0.1, 0.1)
    pattern: str = "plain"
    count: float = 4
    rough: float = 0.10
    gloss: float = 0.0

    def albedo(self, points: Points, noise: Map) -> Points:
        """(n, 3) colours of (n, 3) points in [-1, 1]; noise (n,) with standard deviation 1."""
        share = PATTERNS[self.pattern](points, noise, self.count)[:, None].astype(np.float32)
        mixed = (1 - share) * np.array(self.colour, np.float32) + share * np.array(self.other, np.float32)
        return mixed * (1 + np.float32(self.rough) * noise[:, None])


def _bands(x: Any) -> Any:
    """0 and 1 in turn, with a short transition."""
    return np.clip(0.5 + 6 * np.sin(np.float32(np.pi) * x), 0, 1)


def _angle(p: Points) -> Any:
    return np.arctan2(p[:, 0], p[:, 2]) / np.float32(2 * np.pi) + 0.5


def _wood(p: Points, noise: Map, count: float) -> Any:
    along = np.float32(count) * (p[:, 1] + 0.7 * p[:, 2]) + 0.5 * noise + 0.6 * np.sin(3 * p[:, 0])
    return 0.5 + 0.5 * np.sin(4 * along)


PATTERNS: dict[str, Callable[[Points, Map, float], Any]] = {
    "plain": lambda p, noise, count: np.zeros(len(p), np.float32),
    "stripes": lambda p, noise, count: _bands(np.float32(count) * (p[:, 1] + 1)),
    "columns": lambda p, noise, count: _bands(np.float32(count) * (p[:, 0] + 1)),
    "slanted": lambda p, noise, count: _bands(np.float32(count) * (p[:, 0] + p[:, 1])),
    "checks": lambda p, noise, count: (
        0.5 * _bands(np.float32(count) * p[:, 0]) + 0.5 * _bands(np.float32(count) * (p[:, 1] + p[:, 2]))
    ),
    "segments": lambda p, noise, count: _bands(2 * np.float32(count) * _angle(p)),
    "tread": lambda p, noise, count: _bands(2 * np.float32(count) * _angle(p) + 2 * np.abs(p[:, 1])),
    "tape": lambda p, noise, count: (np.abs(p[:, 0]) < 1 / np.float32(count)).astype(np.float32),
    "spots": lambda p, noise, count: np.clip(4 * (noise - 0.5) + 0.5, 0, 1),
    "rust": lambda p, noise, count: np.clip(1.5 * (noise + 0.6 * np.abs(p[:, 1]) - 0.4), 0, 1),
    "wood": _wood,
}


def shaded(
    albedo: Points, normal: Points, light: NDArray[np.float32], gloss: NDArray[np.float32], openness: Map
) -> Points:
    """(n, 3) light that reaches the camera, about [0, 1]: sky light from above, one sun, a highlight.

    Args:
        albedo: (n, 3). normal: (n, 3). light: (3,) towards the sun, unit length.
        gloss: (n,). openness: (n,) share of the sky that is not hidden by other parts.
    """
    sun = np.maximum(normal @ light, 0)
    halfway = light + np.array([0, 0, 1], dtype=np.float32)
    halfway /= np.linalg.norm(halfway)
    highlight = gloss * np.maximum(normal @ halfway, 0) ** 24
    sky = np.float32(AMBIENT) * (0.72 + 0.28 * normal[:, 1]) * openness
    return albedo * (sky + np.float32(SUN) * sun * np.sqrt(openness))[:, None] + highlight[:, None]
