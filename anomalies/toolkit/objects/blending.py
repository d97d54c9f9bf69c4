"""Blending of a cut-out into a photograph: matte, colour, sharpness, noise, contact shadow.

Hard pastes are easy to detect: on CamVid frames a Mahalanobis distance of Lab colours alone finds them. Colour decides;
feathered edges alone change nothing. Colour is therefore matched by default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.fields import Shape, blurred

Blend = Literal["hard", "feather", "matched", "poisson"]
FEATHER = {"hard": 0.0, "feather": 0.0025, "matched": 0.001, "poisson": 0.001}
MEAN_SHARE, SPREAD_SHARE, SPREAD_LIMITS = 0.6, 0.5, (0.7, 1.3)
CONTRAST, VISIBLE, GROWTH = 30.0, 0.058, 1.2
CONTRAST_STEP, LARGEST_SHIFT = 8, 192
SHARPNESS_STEPS = (0.0, 0.6, 0.9, 1.3)
STRONGEST_NOISE, MEASURED = 8.0, 192
RESIDUAL_OF_WHITE_NOISE = 0.873
SHADOW, SHADOW_LIMIT, SHADOW_HEIGHT, SHADOW_BLUR = 0.62, 0.48, 0.07, 0.035
MEMBRANE_GRID, MEMBRANE_STEPS = 64, 12


BLENDS: tuple[str, ...] = get_args(Blend)


def resized_cutout(rgba: Image, size: Shape) -> Image:
    """(h, w, 4) at another size; enlarged outlines stay smooth curves, without the stairs of small pixels."""
    h, w = size
    factor = h / rgba.shape[0]
    if factor <= 1:
        shrunk: Any = cv2.resize(rgba, (w, h), interpolation=cv2.INTER_AREA)
        return shrunk
    large: Any = cv2.resize(rgba, (w, h), interpolation=cv2.INTER_CUBIC)
    framed = cv2.copyMakeBorder(rgba[..., 3], 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    soft: Any = cv2.GaussianBlur(framed, (0, 0), 0.8)[2:-2, 2:-2].astype(np.float32) / 255
    soft = cv2.resize(soft, (w, h), interpolation=cv2.INTER_CUBIC)
    large[..., 3] = np.rint(255 * np.clip(0.5 + 1.6 * factor * (soft - 0.46), 0, 1))
    return large


def matte(alpha: Map, blend: str, height: int) -> Map:
    """Edges of a (h, w) alpha in [0, 1] for a tier of realism: hard, or soft by a fraction of the image height.
    One pixel of the outline, which still has the old background's colour, is cut off large images.
    """
    if blend == "hard":
        return (alpha >= 0.5).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    trimmed: Any = alpha if height < 512 else cv2.erode(alpha, kernel, borderType=cv2.BORDER_REPLICATE)
    soft = blurred(trimmed, FEATHER[blend] * height)
    return np.where(soft < 0.01, np.float32(0), soft)


def colour_table(rgb: Image, inside: NDArray[np.uint8], around: Image) -> Image:
    """What draws colours towards their surroundings, in Lab (after Reinhard et al. 2001).

    60 % of the difference of the means; the standard deviations half-way, by at most 30 %.

    Args:
        rgb: (h, w, 3) the object. inside: (h, w) not 0 on it. around: (m, n, 3) where it goes.

    Returns:
        (256, 1, 3) uint8, new values of the channels of 8-bit Lab, for `recoloured`.
    """
    lab, there = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), cv2.cvtColor(around, cv2.COLOR_RGB2LAB)
    mean, spread = (x.ravel() for x in cv2.meanStdDev(lab, mask=inside))
    target, target_spread = (x.ravel() for x in cv2.meanStdDev(there))
    ratio = np.clip(target_spread / np.maximum(spread, 1), *SPREAD_LIMITS)
    gain = 1 + SPREAD_SHARE * (ratio - 1)
    levels = np.arange(256.0)[:, None]
    table = (levels - mean) * gain + mean + MEAN_SHARE * (target - mean)
    return np.rint(table).clip(0, 255).astype(np.uint8).reshape(256, 1, 3)


def recoloured(rgb: Image, table: Image) -> Image:
    """(h, w, 3) with a `colour_table` applied."""
    moved: Any = cv2.cvtColor(cv2.LUT(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), table), cv2.COLOR_LAB2RGB)
    return moved


def distinct(rgb: Image, opaque: Image, covered: Sequence[Image], pixels: int) -> Image:
    """Brightened or darkened, whichever is nearer, until it can be seen wherever it is marked anomalous, even an
    object of the colour of the road: it differs from what it covers by 30 of 255 on average, changes the mean of
    the whole image by at least 0.058, and changes it more the larger its box.

    Args:
        rgb: (h, w, 3) the object. opaque: (h, w) 0 or 255.
        covered: what its boxes of growing size cover, each (m, n, 3).
        pixels: of the image.
    """
    views = [_view(rgb, opaque, under) for under in covered]
    up = sum(float((weight * (mine - under)).sum()) for mine, weight, under, _ in views) >= 0
    best, most = 0, 0.0
    shifts = range(-LARGEST_SHIFT, LARGEST_SHIFT + 1, CONTRAST_STEP)
    for shift in sorted(shifts, key=lambda shift: (abs(shift), (shift < 0) == up)):
        contrasts = [
            float((weight * np.abs((mine + np.float32(shift)).clip(0, 255) - under)).sum())
            for mine, weight, under, _ in views
        ]
        sums = [contrast * area for contrast, (*_, area) in zip(contrasts, views, strict=True)]
        steady = min((b / max(GROWTH * a, 1e-6) for a, b in pairwise(sums)), default=1.0)
        enough = min(min(contrasts) / CONTRAST, sums[0] / (VISIBLE * pixels), steady)
        if enough > most:
            best, most = shift, enough
        if most >= 1:
            break
    return np.clip(rgb.astype(np.int16) + best, 0, 255).astype(np.uint8)


def _view(rgb: Image, opaque: Image, under: Image) -> tuple[Map, Map, Map, float]:
    """Object, its weights (with sum 1/3, so that means are over channels too), what it covers, and its area."""
    size = (min(32, under.shape[1]), min(32, under.shape[0]))
    small = [
        cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float32) for x in (rgb, under, opaque)
    ]
    share = max(float(small[2].mean()) / 255, 1e-3)
    weight = small[2][..., None] / np.float32(255 * 3 * share * size[0] * size[1])
    return small[0], weight, small[1], share * under.shape[0] * under.shape[1]


def residual(rgb: Image, inside: NDArray[np.bool_] | None = None) -> float:
    """Standard deviation of what a one-pixel blur removes from the brightness, robust against edges."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    rest = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1))
    values = rest if inside is None else rest[inside]
    return 1.4826 * float(np.median(values)) if values.size else 0.0


def refocused(rgb: Image, inside: NDArray[np.bool_], around: Image, noise: Map) -> Image:
    """Blurred until it is no sharper than its surroundings; then the noise that is missing is added. Both are
    measured in a window of at most 192 pixels in the middle of the object.

    Args:
        noise: (n, n) standard normal, repeated as needed, the same in all channels.
    """
    h, w = rgb.shape[:2]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    window = (_middle(rows, h), _middle(columns, w))
    part: Any = np.ascontiguousarray(rgb[window])
    part_inside = inside[window]
    wanted, found, sigma = residual(np.ascontiguousarray(around[window])), 0.0, 0.0
    for sigma in SHARPNESS_STEPS:
        softer: Any = part if sigma == 0 else cv2.GaussianBlur(part, (0, 0), sigma)
        found = residual(softer, part_inside)
        if found <= 1.1 * wanted:
            break
    result: Any = rgb if sigma == 0 else cv2.GaussianBlur(rgb, (0, 0), sigma)
    missing = math.sqrt(max(wanted**2 - found**2, 0)) / RESIDUAL_OF_WHITE_NOISE
    if missing < 0.3:
        return result
    n = len(noise)
    grain = np.rint(noise * np.float32(min(missing, STRONGEST_NOISE))).astype(np.int16)
    tiled = np.tile(grain, (-(-h // n), -(-w // n)))[:h, :w]
    grainy: Any = cv2.add(result, cv2.merge((tiled, tiled, tiled)), dtype=cv2.CV_8U)
    return grainy


def _middle(found: NDArray[np.int64], size: int) -> slice:
    centre = int(found[0] + found[-1]) // 2 if len(found) else size // 2
    return slice(max(centre - MEASURED // 2, 0), centre + MEASURED // 2)


def poisson(rgb: Image, alpha: Map, under: Image) -> Image:
    """The object's gradients with the surroundings' colours at its outline (Pérez et al. 2003).

    The correction is a membrane through the differences at the outline. It is smooth, so it is solved on a
    grid of at most 64 pixels, coarse to fine, and enlarged.

    Args:
        rgb: (h, w, 3) with colours also outside its outline. alpha: (h, w). under: (h, w, 3) the image there.
    """
    h, w = alpha.shape
    scale = min(1.0, MEMBRANE_GRID / max(h, w))
    grid = (max(4, round(scale * h)), max(4, round(scale * w)))
    free = _fitted(alpha, grid) > 0.02
    free[[0, -1]] = free[:, [0, -1]] = False
    difference = _fitted(under.astype(np.float32) - rgb, grid)
    correction = cv2.resize(_membrane(difference, free), (w, h), interpolation=cv2.INTER_LINEAR)
    return np.rint(rgb + correction).clip(0, 255).astype(np.uint8)


def _fitted(array: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    fitted: Any = cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA)
    return fitted


def _membrane(known: NDArray[np.float32], free: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Harmonic where free, as known elsewhere."""
    h, w = free.shape
    if min(h, w) > 6:
        half = ((h + 1) // 2, (w + 1) // 2)
        fixed = (~free).astype(np.float32)
        weight = _fitted(fixed, half)
        coarse: Any = _fitted(known * fixed[..., None], half) / np.maximum(weight, 1e-3)[..., None]
        start = cv2.resize(_membrane(coarse, weight < 1e-3), (w, h), interpolation=cv2.INTER_LINEAR)
    else:
        count = max(int((~free).sum()), 1)
        mean = (known * ~free[..., None]).sum(axis=(0, 1)) / np.float32(count)
        start = np.broadcast_to(mean, known.shape)
    kernel = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
    surface = np.where(free[..., None], start, known).astype(np.float32)
    for _ in range(MEMBRANE_STEPS):
        smooth = cv2.filter2D(surface, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        surface = np.where(free[..., None], smooth, known)
    return surface


def contact_shadow(alpha: Map, pad: int) -> Map:
    """Share of the light that an object takes from the ground it stands on.

    Args:
        alpha: (h, w) of the object, its lowest row on the ground. pad: pixels to add on every side.

    Returns:
        (h + 2 pad, w + 2 pad) in [0, 0.48], so that a shadow is to be ignored, never anomalous.
    """
    h, w = alpha.shape
    size = max(h, 0.35 * w)
    low = alpha[-max(1, round(0.12 * size)) :].max(axis=0) >= 0.5
    columns = np.flatnonzero(low) if low.any() else np.arange(w)
    left, right = int(columns[0]), int(columns[-1]) + 1
    centre = (round(16 * (pad + (left + right - 1) / 2)), round(16 * (pad + h - 1 - 0.02 * size)))
    axes = (round(16 * (0.54 * (right - left) + 0.02 * size)), max(8, round(16 * SHADOW_HEIGHT * size)))
    shadow = np.zeros((h + 2 * pad, w + 2 * pad), np.float32)
    cv2.ellipse(shadow, centre, axes, 0, 0, 360, SHADOW, -1, cv2.LINE_8, 4)
    shadow = np.minimum(blurred(shadow, SHADOW_BLUR * size), np.float32(SHADOW_LIMIT))
    return np.where(shadow < 0.01, np.float32(0), shadow)
