"""A patch of the image, blended without a seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image, Map
from anomalies.kinds.patches._elsewhere import elsewhere
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, blob
from anomalies.toolkit.poisson import poisson_blend


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
        drawn[box] = poisson_blend(drawn[box], source[box], inside[box])
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
