"""Local anomalies without a class: something about a patch is wrong. None needs a foreign image.

The severity sets the area: 0.0005, 0.002, 0.005, 0.015, 0.04 of the image (at least 6, 10, 16, 25, 38 pixels),
grown about the same place. Labelled is what visibly changed, see `anomalies.parts.regions.visible_change`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import blurred, fbm, resized
from anomalies.light import colour, luma, over
from anomalies.parts.patch_textures import texture
from anomalies.parts.regions import Outline, Region, blob, placed, rectangle, visible_change
from anomalies.scene import Scene

OPACITY = (0.25, 0.40, 0.55, 0.75, 1.0)
BLUR = (0.003, 0.005, 0.008, 0.012, 0.018)
SMALLEST_BLUR = (0.7, 0.9, 1.2, 1.6, 2.2)
JITTER = 0.1
CANDIDATES = 4
TEXTURED = 4.0
TELEA_SIDE = 96
GRAIN, MOST_GRAIN = 1.5, 5.0


@dataclass(frozen=True)
class Patch(Anomaly):
    """A kind that changes one region; subclasses give its shape and what is seen there."""

    family = "patches"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        region = placed(rng, self.outline(rng), self.severity, image.shape[:2], scene, self.area)
        drawn, alpha = image.copy(), np.zeros(image.shape[:2], dtype=np.float32)
        drawn[region.crop] = self.fill(image, region, rng)
        alpha[region.crop] = visible_change(image[region.crop], drawn[region.crop])
        return Rendered(drawn, alpha, details=_details(region))

    @property
    def area(self) -> float:
        """Of the region, in units of the severity's."""
        return 1.0

    @abstractmethod
    def outline(self, rng: np.random.Generator) -> Outline:
        """Shape of the region."""

    @abstractmethod
    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        """The new pixels of the region's crop, (h, w, C) uint8."""


@dataclass(frozen=True)
class CutPaste(Patch):
    """A rectangle of the image, its colours jittered by up to a tenth, pasted elsewhere with hard edges (Li et
    al., CVPR 2021). Width / height is log-uniform from 0.3 to 3.3.
    """

    kind = "cutpaste"

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(math.exp(rng.uniform(math.log(0.3), math.log(3.3))))

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        gain = colour(rng.uniform(1 - JITTER, 1 + JITTER, 3).tolist(), image)
        pasted = _elsewhere(image, region, rng).astype(np.float32) * gain
        pasted = np.clip(pasted + 0.5, 0, 255).astype(np.uint8)
        return over(np.ascontiguousarray(image[region.crop]), pasted, region.inside())


@dataclass(frozen=True)
class Scar(CutPaste):
    """CutPaste's long and thin variant: 4 to 9 times as long as wide, up to 45 degrees from upright."""

    kind = "scar"

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(1 / rng.uniform(4, 9), rng.uniform(-45, 45))


@dataclass(frozen=True)
class PerlinTexture(Patch):
    """A foreign texture shows through where a noise field is high, as in DRAEM (Zavrtanik et al., ICCV 2021); a
    procedural texture instead of a photograph. Opacity 0.25, 0.40, 0.55, 0.75, 1.
    """

    kind = "perlin_texture"

    @property
    def area(self) -> float:
        return TEXTURED

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(math.exp(rng.uniform(-0.4, 0.4)))

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        crop = image[region.crop]
        shape = (crop.shape[0], crop.shape[1])
        field = fbm(rng, shape, 0.35 * min(shape), octaves=3, gain=0.55)
        x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[::-1])
        field -= np.float32(1.5) * np.maximum(np.abs(x)[None, :], np.abs(y)[:, None]) ** 2
        few = max(4, min(round(region.scale**2 / TEXTURED), field.size // 2))
        threshold = -np.partition(-field.ravel(), few)[few]
        edge = max(float(np.abs(np.diff(field, axis=1)).mean()), 1e-6)
        weight = np.clip((field - threshold) / np.float32(2 * edge) + np.float32(0.5), 0, 1)
        foreign = texture(rng, shape, image.shape[0])
        if image.shape[2] == 1:
            foreign = np.rint(luma(foreign)).astype(np.uint8)[..., None]
        return over(np.ascontiguousarray(crop), foreign, weight * np.float32(self.of(OPACITY)))


@dataclass(frozen=True)
class NSA(Patch):
    """A patch of the same image, resized by 0.7 to 1.3 and pasted so that its edges fit: Poisson blending, the
    task of Schluter et al., ECCV 2022. The hard tier: no seam, no foreign colour. Colours adapt in the patch and in
    the box around it, so up to three times its area visibly changes, and is labelled.
    """

    kind = "nsa"

    def outline(self, rng: np.random.Generator) -> Outline:
        return blob(rng)

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        drawn, inside = image[region.crop].copy(), region.inside()
        source = _resized_about_centre(_elsewhere(image, region, rng), rng.uniform(0.7, 1.3))
        box = _box(inside)
        drawn[box] = _poisson(drawn[box], source[box], inside[box])
        return drawn


@dataclass(frozen=True)
class Erased(Patch):
    """Something was retouched away: a region filled from its border by Telea's inpainting, with the grain of
    what lies around it.
    """

    kind = "erased"
    version = 2

    def outline(self, rng: np.random.Generator) -> Outline:
        return blob(rng)

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        crop = np.ascontiguousarray(image[region.crop])
        shape, factor = (crop.shape[0], crop.shape[1]), max(1, -(-max(crop.shape[:2]) // TELEA_SIDE))
        grid = (-(-shape[0] // factor), -(-shape[1] // factor))
        hole = (resized(region.inside(1.0), grid) > 0).astype(np.uint8)
        filled: Any = cv2.inpaint(resized(crop, grid).reshape(*grid, -1), hole, 3, cv2.INPAINT_TELEA)
        smooth = resized(filled, shape).reshape(crop.shape)
        return over(crop, _grained(smooth, crop, region, rng), region.inside(1.0))


def _grained(smooth: Image, crop: Image, region: Region, rng: np.random.Generator) -> Image:
    """A smooth filling with noise as strong as the median detail around the region, at most 5 levels."""
    grey = luma(crop)
    detail = np.abs(grey - blurred(grey, 1.0))[region.inside(1.0) == 0]
    strength = min(GRAIN * float(np.median(detail)), MOST_GRAIN) if detail.size else 0.0
    grain = rng.standard_normal(grey.shape, dtype=np.float32) * np.float32(strength)
    return np.rint(smooth + grain[..., None]).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class LocalBlur(Patch):
    """A region out of focus: Gaussian with a standard deviation of 0.003, 0.005, 0.008, 0.012, 0.018 H, at least
    0.7 to 2.2 pixels.
    """

    kind = "local_blur"

    def outline(self, rng: np.random.Generator) -> Outline:
        return blob(rng)

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        crop = np.ascontiguousarray(image[region.crop])
        soft = blurred(crop, max(self.of(BLUR) * image.shape[0], self.of(SMALLEST_BLUR)))
        return over(crop, soft.reshape(crop.shape), region.inside(max(0.5, 0.003 * image.shape[0])))


@dataclass(frozen=True)
class Swap(Anomaly):
    """Two rectangles of the image change places; each has half of the severity's area."""

    kind = "swap"
    family = "patches"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        outline = rectangle(math.exp(rng.uniform(-0.5, 0.5)))
        region = placed(rng, outline, self.severity, image.shape[:2], scene, 0.5)
        here, there = region.crop, _shifted(region, _offset(image, region, rng, apart=True))
        drawn, alpha = image.copy(), np.zeros(image.shape[:2], dtype=np.float32)
        for crop, other in ((here, there), (there, here)):
            under, layer = np.ascontiguousarray(drawn[crop]), np.ascontiguousarray(image[other])
            drawn[crop] = over(under, layer, region.inside())
        for crop in (here, there):
            alpha[crop] = visible_change(image[crop], drawn[crop])
        return Rendered(drawn, alpha, details=_details(region))


def _details(region: Region) -> Mapping[str, Any]:
    return {"centre": [round(part) for part in region.centre], "area": round(region.scale**2)}


def _offset(image: Image, region: Region, rng: np.random.Generator, apart: bool = False) -> tuple[int, int]:
    """(down, right) from the region's crop to another one that lies in the image: of several, the one that
    differs most, so that the paste can be seen; if they are to lie apart, that counts first.
    """
    rows, columns = region.crop
    h, w = rows.stop - rows.start, columns.stop - columns.start
    free = np.array([region.shape[0] - h, region.shape[1] - w])
    starts = np.rint(rng.random((CANDIDATES, 2)) * free).astype(int)
    step = max(1, h // 48)
    target = image[region.crop][::step, ::step].astype(np.int16)
    best, best_score = (0, 0), -1.0
    for down, right in starts - (rows.start, columns.start):
        other = image[_shifted(region, (down, right))][::step, ::step]
        score = float(np.abs(other - target).mean())
        if apart:
            score += 255 * min(1.0, max(abs(down) / h, abs(right) / w))
        if score > best_score:
            best, best_score = (int(down), int(right)), score
    return best


def _shifted(region: Region, offset: tuple[int, int]) -> tuple[slice, slice]:
    rows, columns = region.crop
    down, right = offset
    return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)


def _elsewhere(image: Image, region: Region, rng: np.random.Generator) -> Image:
    """What another part of the image shows, (h, w, C) of the region's crop."""
    return image[_shifted(region, _offset(image, region, rng))]


def _resized_about_centre(crop: Image, size: float) -> Image:
    """The crop enlarged or reduced about its centre, continued by reflection."""
    h, w = crop.shape[:2]
    x, y = (w - 1) / 2, (h - 1) / 2
    matrix = np.array([[size, 0, x - size * x], [0, size, y - size * y]])
    scaled: Any = cv2.warpAffine(
        np.ascontiguousarray(crop), matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return scaled.reshape(crop.shape)


def _box(inside: Map) -> tuple[slice, slice]:
    """Rows and columns of what is inside, with a tenth around it for the colours to adapt."""
    y, x = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    sides = []
    for found, side in zip((y, x), inside.shape, strict=True):
        margin = 2 + (found[-1] - found[0]) // 10
        sides.append(slice(max(0, found[0] - margin), min(side, found[-1] + margin + 1)))
    return sides[0], sides[1]


def _poisson(crop: Image, source: Image, inside: Map) -> Image:
    """The source's gradients inside, the crop's outside and its colours at the border: what is added to the crop
    has the divergence of the difference inside and is 0 at the border.

    Solved with sine transforms as matrix products, in float64 so that rounding cannot tell machines apart.
    """
    difference = source.astype(np.float64) - crop
    weight = inside.astype(np.float64)[..., None]
    across = np.diff(difference, axis=1) * np.minimum(weight[:, 1:], weight[:, :-1])
    down = np.diff(difference, axis=0) * np.minimum(weight[1:], weight[:-1])
    divergence = np.diff(across, axis=1)[1:-1] + np.diff(down, axis=0)[:, 1:-1]
    (rows, heights), (columns, widths) = (_sines(side) for side in divergence.shape[:2])
    eigenvalues = heights[:, None] + widths[None, :]
    added = np.zeros(crop.shape, dtype=np.float64)
    for channel in range(crop.shape[2]):
        spectrum = rows @ divergence[..., channel] @ columns / eigenvalues
        added[1:-1, 1:-1, channel] = rows @ spectrum @ columns
    return np.clip(np.rint(crop + added), 0, 255).astype(np.uint8)


def _sines(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The orthonormal eigenvectors (n, n) and eigenvalues (n,) of the second difference with zeros outside."""
    k = np.arange(1, n + 1)
    vectors = math.sqrt(2 / (n + 1)) * np.sin(np.pi / (n + 1) * np.outer(k, k))
    return vectors, 2 * np.cos(np.pi / (n + 1) * k) - 2


KINDS: tuple[type[Anomaly], ...] = (CutPaste, Scar, PerlinTexture, NSA, Erased, LocalBlur, Swap)
