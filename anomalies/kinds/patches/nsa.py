"""A patch of the image, blended without a seam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.kinds.patches._elsewhere import elsewhere
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, blob


@dataclass(frozen=True)
class NSA(Patch):
    """A patch of the same image, resized by 0.7 to 1.3 and pasted by Poisson blending (NSA, Schluter et al., ECCV
    2022). This is the hardest patch: no seam, no foreign colour. Colours adapt in the patch and in the box
    around it, so up to three times its area visibly changes and is marked.
    """

    kind = "nsa"

    def outline(self, rng: np.random.Generator) -> Outline:
        return blob(rng)

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        drawn, inside = image[region.crop].copy(), region.inside()
        source = _resized_about_centre(elsewhere(image, region, rng), rng.uniform(0.7, 1.3))
        box = _box(inside)
        drawn[box] = _poisson(drawn[box], source[box], inside[box])
        return drawn


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
