"""A region filled by inpainting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, blob
from anomalies.toolkit.fields import blurred, resized
from anomalies.toolkit.light import luma, over

TELEA_SIDE = 96
GRAIN, MOST_GRAIN = 1.5, 5.0


@dataclass(frozen=True)
class Erased(Patch):
    """An object was retouched away: a region filled from its border by Telea's inpainting, with the grain of its
    surroundings.
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
