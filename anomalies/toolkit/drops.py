"""Water drops on a lens: each shows the scene behind it upside down and smaller."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.fields import blurred, resized, smoothstep, working_shape
from anomalies.toolkit.lens import spread
from anomalies.toolkit.light import INVISIBLE, sky_light

SMALLEST, LARGEST = 0.006, 0.028
LEAST_PIXELS = 1.1
DROP_OPACITY = 0.78
VIEW = (0.35, 0.45)
STRAY = 10.0
SOFT = 0.0028
RIM = 0.55
GOLDEN_SHARE = 0.6180339887498949
Offsets = NDArray[Any]


def with_drops(
    image: Image, rng: np.random.Generator, most: int, count: int, least: int = 0
) -> tuple[Image, Map]:
    """An image behind drops on the lens.

    Args:
        most, count: drops on a square of the image height, of which the first ``count`` are drawn.
        least: number of drops, however small the image.

    Returns:
        The new image and the (H, W) opacity of the drops.
    """
    h, w, channels = image.shape
    shape = working_shape((h, w))
    small = blurred(resized(image, shape), max(0.8, 0.006 * shape[0])).reshape(*shape, channels)
    drops = round(most * w / h)
    centres = spread(rng, drops, jitter=0.05) * (w, h)
    # Any first few drops have all sizes.
    size = (rng.random() + GOLDEN_SHARE * np.arange(drops) + 0.1 * rng.random(drops)) % 1
    sizes = h * (SMALLEST + (LARGEST - SMALLEST) * size**2)
    shapes, air = rng.random((drops, 5)), sky_light(image)
    drawn, opacity = image.copy(), np.zeros((h, w), dtype=np.float32)
    radii = np.maximum(sizes, LEAST_PIXELS)
    share = (sizes**2).mean() / (radii**2).mean()
    kept = max(least, round(count * w / h * share))
    for centre, radius, form in zip(centres[:kept], radii[:kept], shapes[:kept], strict=True):
        _put_drop(drawn, opacity, image, small, air, (centre[0], centre[1]), radius, form)
    return drawn, opacity


def _put_drop(
    drawn: Image,
    opacity: Map,
    image: Image,
    small: Image,
    air: Map,
    centre: tuple[float, float],
    radius: float,
    form: NDArray[np.float64],
) -> None:
    """Draw a drop into ``drawn`` and ``opacity``; where drops meet, the denser one is seen."""
    h, w = opacity.shape
    band = max(SOFT * h, 0.6) / radius
    reach = radius * (1.25 + band) + 1
    left, right = max(0, int(centre[0] - reach)), min(w, int(centre[0] + reach) + 2)
    top, bottom = max(0, int(centre[1] - reach)), min(h, int(centre[1] + reach) + 2)
    u = ((np.arange(left, right, dtype=np.float32) + 0.5 - np.float32(centre[0])) / np.float32(radius))[None]
    v = ((np.arange(top, bottom, dtype=np.float32) + 0.5 - np.float32(centre[1])) / np.float32(radius))[
        :, None
    ]
    distance = np.hypot(u, v) / _outline(u, v, form)
    weight = np.float32(DROP_OPACITY) * (1 - smoothstep(distance, 1 - band, 1 + band))
    weight = np.where(weight > INVISIBLE, weight, np.float32(0))
    box = (slice(top, bottom), slice(left, right))
    inside = _inside(small, (h, w), air, centre, (u, v), distance, form[4])
    # Light from everywhere: a drop is brighter than a dark place and darker than a bright one.
    inside += np.float32(STRAY) if image[box].mean() < 128 else np.float32(-STRAY)
    seen = weight > opacity[box]
    mixed = image[box] + weight[..., None] * (inside - image[box])
    drawn[box] = np.where(seen[..., None], np.rint(mixed).clip(0, 255).astype(np.uint8), drawn[box])
    opacity[box] = np.maximum(weight, opacity[box])


def _outline(u: Offsets, v: Offsets, form: NDArray[np.float64]) -> Offsets:
    """Radius of a drop in each direction, around 1: slightly lobed, longer than wide."""
    angle = np.arctan2(v, u)
    lobes = 0.09 * np.cos(2 * angle + 6.3 * form[0]) + 0.05 * np.cos(3 * angle + 6.3 * form[1])
    return (1 + lobes - (0.04 + 0.10 * form[2]) * np.cos(2 * angle)).astype(np.float32)


def _inside(
    small: Image,
    full: tuple[int, int],
    air: Map,
    centre: tuple[float, float],
    uv: tuple[Offsets, Offsets],
    distance: Offsets,
    form: float,
) -> Offsets:
    """The scene as a drop shows it, (h, w, C) 0 to 255."""
    u, v = uv
    scale = small.shape[0] / full[0]
    reach = (VIEW[0] + (VIEW[1] - VIEW[0]) * form) * full[0]
    view = np.float32(reach) * (1 + np.float32(0.6) * distance**2)
    columns = ((np.float32(centre[0]) - u * view) * scale - 0.5).astype(np.float32)
    rows = ((np.float32(centre[1]) - v * view) * scale - 0.5).astype(np.float32)
    seen = cv2.remap(small, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    seen = seen.reshape(*distance.shape, -1).astype(np.float32)
    rim = smoothstep(distance, 0.45, 1.0)
    down = np.float32(0.5) + np.float32(0.5) * v / np.maximum(np.hypot(u, v), 0.3)
    bright, dark = (RIM * rim * down)[..., None], (0.75 * rim * (1 - down))[..., None]
    shaded = seen * (1 - dark)
    return shaded + bright * (np.maximum(air, shaded) + 20 - shaded)
