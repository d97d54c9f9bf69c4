"""Ice crystals on the lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, working_shape
from anomalies.toolkit.lens import layered, lit, opacity_of

COVERAGE = (0.08, 0.18, 0.32, 0.48, 0.65)
DENSE_SHARE = (0.10, 0.15, 0.22, 0.30, 0.40)
DENSE_OPACITY = (0.70, 0.76, 0.80, 0.82, 0.85)
LARGEST_OPACITY = (0.78, 0.86, 0.92, 0.95, 0.97)
BLUR_BEHIND = (0.006, 0.009, 0.012, 0.016, 0.020)
STEMS_PER_SQUARE = 60
BRANCHES, TWIGS = 14, 6
HEXAGON = np.pi / 3
ICE = (0.86, 0.91, 0.97)


@dataclass(frozen=True)
class Frost(Anomaly):
    """Frost that grows over the lens from its border: feathers of ice that branch at 60 degrees, in a white film.

    The severity sets the covered share of the image (opacity >= 0.05): 8, 18, 32, 48, 65 %; the dense share of
    that: 10, 15, 22, 30, 40 % with an opacity of at least 0.70 to 0.85; and the blur behind thin ice: 0.006 to
    0.020 H. The ice is lit by a heavily blurred copy of the image.
    """

    kind = "frost"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h = shape[0]
        feathers = _feathers(rng, shape)
        film = fbm(rng, shape, 0.30 * h, octaves=5, gain=0.6)
        thickness = (
            np.float32(2.6) * _closeness(shape)
            + np.float32(0.40) * film
            + np.float32(1.7) * blurred(feathers, max(0.5, 0.0025 * h))
        )
        opacity = opacity_of(
            thickness,
            self.of(COVERAGE),
            self.of(DENSE_SHARE),
            self.of(DENSE_OPACITY),
            self.of(LARGEST_OPACITY),
        )
        opacity = blurred(opacity, max(0.5, 0.002 * h))
        small = resized(image, shape).reshape(*shape, -1)
        shade = 0.90 + np.float32(0.34) * blurred(feathers, max(0.4, 0.0015 * h))
        ice = lit(image, small, ICE, shade) + 14
        return layered(image, small, opacity, ice, self.of(BLUR_BEHIND))


def _closeness(shape: Shape) -> Map:
    """1 at the border of the image, 0 from half its height inwards."""
    h, w = shape
    y = (np.arange(h, dtype=np.float32) + 0.5)[:, None]
    x = (np.arange(w, dtype=np.float32) + 0.5)[None, :]
    # Rounded corners: ice closes in as a ring.
    ellipse = np.sqrt(((y / h - 0.5) * 2) ** 2 + ((x / w - 0.5) * 2) ** 2)
    border = 1 - 2 * np.minimum(np.minimum(y, h - y), np.minimum(x, w - x)) / h
    return (0.6 * border + 0.4 * np.minimum(ellipse, 1.3)).astype(np.float32)


def _feathers(rng: np.random.Generator, shape: Shape) -> Map:
    """(h, w) float32 in [0, 1]: curved stems from the border inwards with branches and twigs at 60 degrees."""
    h, w = shape
    count = round(STEMS_PER_SQUARE * (w + h) / (2 * h))
    along, sides = rng.random(count), rng.random(count)
    starts, inwards = _border(along * 2 * (w + h), w, h)
    angles = inwards + rng.normal(0, 0.5, count)
    lengths = h * (0.08 + 0.34 * sides**2)
    stems = _grown(starts, angles, lengths, rng.normal(0, 0.5, count))
    branch_lengths = 0.34 * rng.uniform(0.4, 1, (2, count, BRANCHES))
    drawn = np.zeros(shape, dtype=np.uint8)
    _draw(drawn, stems, 255)
    for side, share in zip((-1, 1), branch_lengths, strict=True):
        branches = _offshoots(stems, side, lengths[:, None] * share)
        _draw(drawn, branches, 200)
        for twig_side in (-1, 1):
            bases = np.stack(
                [branches[:, 0] + t * (branches[:, 1] - branches[:, 0]) for t in _steps(TWIGS)], 1
            )
            reach = np.linalg.norm(branches[:, 1] - branches[:, 0], axis=1)[:, None]
            twigs = _offshoots(bases, twig_side, 0.4 * reach * np.ones((1, TWIGS)))
            _draw(drawn, twigs, 140)
    return drawn.astype(np.float32) / np.float32(255)


def _border(position: NDArray[np.float64], w: int, h: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (N, 2) at a distance along the border, and the angles that point inwards."""
    edges = np.array([0, w, w + h, 2 * w + h])
    side = np.searchsorted(edges, position, side="right") - 1
    rest = position - edges[side]
    x = np.choose(side, [rest, np.full_like(rest, w), w - rest, np.zeros_like(rest)])
    y = np.choose(side, [np.zeros_like(rest), rest, np.full_like(rest, h), h - rest])
    return np.stack((x, y), axis=1), np.array([np.pi / 2, np.pi, -np.pi / 2, 0])[side]


def _steps(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def _grown(
    starts: NDArray[np.float64],
    angles: NDArray[np.float64],
    lengths: NDArray[np.float64],
    bends: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N, BRANCHES, 2) points along curved stems."""
    turned = angles[:, None] + bends[:, None] * _steps(BRANCHES)
    steps = np.stack((np.cos(turned), np.sin(turned)), axis=2) * (lengths / BRANCHES)[:, None, None]
    return starts[:, None] + np.cumsum(steps, axis=1)


def _offshoots(stems: NDArray[np.float64], side: int, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N x points, 2, 2) straight branches at 60 degrees, shorter towards the tip of their (N, points, 2) stem."""
    direction = np.gradient(stems, axis=1)
    angle = np.arctan2(direction[..., 1], direction[..., 0]) + side * HEXAGON
    reach = (lengths * (1 - _steps(stems.shape[1]) ** 2))[..., None]
    ends = stems + reach * np.stack((np.cos(angle), np.sin(angle)), axis=2)
    return np.stack((stems, ends), axis=2).reshape(-1, 2, 2)


def _draw(drawn: Any, lines: NDArray[np.float64], level: int) -> None:
    cv2.polylines(drawn, list(np.rint(lines * 16).astype(np.int32)), False, level, 1, cv2.LINE_AA, 4)
