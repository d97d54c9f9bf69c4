"""A blurred region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Image
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, blob
from anomalies.toolkit.fields import blurred
from anomalies.toolkit.light import over

BLUR = (0.003, 0.005, 0.008, 0.012, 0.018)
SMALLEST_BLUR = (0.7, 0.9, 1.2, 1.6, 2.2)


@dataclass(frozen=True)
class LocalBlur(Patch):
    """A blurred region: Gaussian with a standard deviation of 0.003, 0.005, 0.008, 0.012, 0.018 H, at least 0.7,
    0.9, 1.2, 1.6, 2.2 pixels.
    """

    kind = "local_blur"

    def outline(self, rng: np.random.Generator) -> Outline:
        return blob(rng)

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        crop = np.ascontiguousarray(image[region.crop])
        soft = blurred(crop, max(self.of(BLUR) * image.shape[0], self.of(SMALLEST_BLUR)))
        return over(crop, soft.reshape(crop.shape), region.inside(max(0.5, 0.003 * image.shape[0])))
