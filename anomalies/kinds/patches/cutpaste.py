"""A rectangle of the image pasted elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomalies.base import Image
from anomalies.kinds.patches._elsewhere import elsewhere
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, rectangle
from anomalies.toolkit.light import colour, over

JITTER = 0.1


@dataclass(frozen=True)
class CutPaste(Patch):
    """A rectangle of the image, its colours jittered by up to 10 %, pasted elsewhere with hard edges (CutPaste, Li
    et al., CVPR 2021). Width / height is log-uniform from 0.3 to 3.3.
    """

    kind = "cutpaste"

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(math.exp(rng.uniform(math.log(0.3), math.log(3.3))))

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        gain = colour(rng.uniform(1 - JITTER, 1 + JITTER, 3).tolist(), image)
        pasted = elsewhere(image, region, rng).astype(np.float32) * gain
        pasted = np.clip(pasted + 0.5, 0, 255).astype(np.uint8)
        return over(np.ascontiguousarray(image[region.crop]), pasted, region.inside())
