"""Layers on the lens: opacity, lighting, and WoodScape's soiling classes.

The lens lies far in front of the focal plane, so edges of a layer are soft and what shines through it is blurred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map, Rendered
from anomalies.toolkit.fields import Shape, blurred, resized, smoothstep
from anomalies.toolkit.light import colour, enlarged_alpha, over

CLASSES = ("clean", "transparent", "semi_transparent", "opaque")
LEAST_OPACITY = (0.05, 0.35, 0.80)
TILES = 4
EDGE_OPACITY = 0.035
PLASTIC = 0.7548776662466927, 0.5698402909980532


def soiled(image: Image, opacity: Map) -> Rendered:
    """A finished image with the exact opacity of what is on the lens.

    Args:
        image: uint8, (H, W, C).
        opacity: (H, W) float32 in [0, 1].

    Returns:
        With WoodScape's classes as ``soiling`` and, in ``details``, ``coverage`` (share of the pixels that are
        not clean) and ``tiles_<class>``: the share of each class in a grid of 4x4 tiles, row by row.
    """
    classes = soiling_classes(opacity)
    shares = tile_coverage(classes)
    details: dict[str, Any] = {"coverage": round(1 - cv2.countNonZero(clean(classes)) / classes.size, 4)}
    for name, share in zip(CLASSES, shares.T, strict=True):
        details[f"tiles_{name}"] = [round(float(part), 4) for part in share]
    return Rendered(image, opacity, soiling=classes, details=details)


def clean(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) 1 where nothing is on the lens."""
    return (classes == 0).view(np.uint8)


def soiling_classes(opacity: Map) -> NDArray[np.uint8]:
    """(H, W) uint8 WoodScape ids from the opacity: below 0.05 clean 0, to 0.35 transparent 1, to 0.80
    semi-transparent 2, from there on opaque 3.
    """
    classes = (opacity >= np.float32(LEAST_OPACITY[0])).view(np.uint8).copy()
    for least in LEAST_OPACITY[1:]:
        classes += (opacity >= np.float32(least)).view(np.uint8)
    return classes


def tile_coverage(classes: NDArray[np.uint8], tiles: int = TILES) -> NDArray[np.float64]:
    """(tiles x tiles, 4) share of each class in each tile, row by row; H and W at least ``tiles``."""
    rows, columns = (np.linspace(0, size, tiles + 1).round().astype(int) for size in classes.shape)
    parts = [
        classes[top:bottom, left:right] for top, bottom in pairwise(rows) for left, right in pairwise(columns)
    ]
    counts = [cv2.calcHist([np.ascontiguousarray(part)], [0], None, [4], [0, 4]).ravel() for part in parts]
    return np.stack([count / part.size for count, part in zip(counts, parts, strict=True)]).astype(np.float64)


def opacity_of(
    thickness: Map,
    covered: float,
    dense: float,
    dense_opacity: float,
    largest: float = 1.0,
    edge_opacity: float = EDGE_OPACITY,
) -> Map:
    """Opacity of a layer, logistic in its thickness through two of its quantiles, so that it reaches coverage
    exactly.

    Args:
        thickness: (h, w), any unit.
        covered: share of the image with an opacity of at least ``edge_opacity``, which is below that of the lowest
            class because blurring the layer afterwards widens it.
        dense: share of the covered part that has at least ``dense_opacity``.
        largest: cut off above.
    """
    edge, core = np.quantile(thickness, (1 - covered, 1 - covered * dense))
    low, high = _logit(edge_opacity), _logit(dense_opacity)
    slope = (high - low) / max(core - edge, 1e-6)
    exponent = np.float32(low) + (thickness - np.float32(edge)) * np.float32(slope)
    opacity = 1 / (1 + np.exp(-np.clip(exponent, -30, 30)))
    return np.minimum(opacity, np.float32(largest)).astype(np.float32)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def light_on(small: Image) -> Map:
    """(h, w, C) light that falls on the lens, 0 to 255: a heavily blurred copy of the image, so that dirt is
    dark at night.
    """
    light = blurred(small, 0.12 * small.shape[0]).reshape(small.shape).astype(np.float32)
    return 0.6 * light + 0.4 * light.mean(axis=(0, 1)) + 12


def lit(image: Image, small: Image, albedo: Sequence[float], shade: Map) -> Map:
    """Colour of a layer of one albedo, (h, w, C) 0 to 255.

    Args:
        small: the image at the size of ``shade``.
        shade: (h, w) relative brightness.
    """
    return light_on(small) * colour(albedo, image) * np.float32(1.25) * shade[..., None]


def layered(image: Image, small: Image, opacity: Map, layer: Map, defocus: float) -> Rendered:
    """The image seen through a layer on the lens.

    Args:
        small: (h, w, C), the image at the size of the working grid.
        opacity: (h, w) of the layer.
        layer: (h, w, C), its colour.
        defocus: blur of the scene behind it, as a fraction of the image height.
    """
    shape, full = (small.shape[0], small.shape[1]), (image.shape[0], image.shape[1])
    behind = blurred(small, defocus * shape[0]).reshape(small.shape)
    # The scene counts once sharp and once defocused; defocused and layer together are one soft layer.
    defocused = (1 - opacity) * smoothstep(opacity, 0.02, 0.35)
    weight = opacity + defocused
    mixed = (opacity[..., None] * layer + defocused[..., None] * behind) / np.maximum(weight, 1e-3)[..., None]
    mixed = resized(np.clip(mixed + 0.5, 0, 255).astype(np.uint8), full).reshape(image.shape)
    return soiled(over(image, mixed, enlarged_alpha(weight, full)), enlarged_alpha(opacity, full))


def spread(rng: np.random.Generator, count: int, jitter: float = 0.04) -> NDArray[np.float64]:
    """(count, 2) points in [0, 1), any first few of which are spread over all of the square: the additive
    recurrence of the plastic number from a random start, jittered.
    """
    steps = np.arange(count)[:, None] * np.array(PLASTIC)
    return (rng.random(2) + steps + rng.normal(0, jitter, (count, 2))) % 1


def discs(shape: Shape, centres: NDArray[Any], radii: NDArray[Any], sigma: float) -> Map:
    """(h, w) float32, 1 within discs at (x, y), blurred; all in pixels. Discs below a pixel are left out."""
    drawn = np.zeros(shape, dtype=np.float32)
    for (x, y), radius in zip(centres, radii, strict=True):
        if radius >= 0.8:
            cv2.circle(drawn, (round(16 * x), round(16 * y)), round(16 * radius), 1.0, -1, cv2.LINE_8, 4)
    return blurred(drawn, sigma)
