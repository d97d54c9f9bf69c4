"""Two rectangles of the image exchanged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.patches._elsewhere import offset_to, shifted
from anomalies.kinds.patches._patch import details_of
from anomalies.kinds.patches._regions import placed, rectangle, visible_change
from anomalies.scene import Scene
from anomalies.toolkit.light import over


@dataclass(frozen=True)
class Swap(Anomaly):
    """Two rectangles of the image are exchanged; each has half of the severity's area."""

    kind = "swap"
    family = "patches"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        outline = rectangle(math.exp(rng.uniform(-0.5, 0.5)))
        region = placed(rng, outline, self.severity, image.shape[:2], scene, 0.5)
        here, there = region.crop, shifted(region, offset_to(image, region, rng, apart=True))
        drawn, alpha = image.copy(), np.zeros(image.shape[:2], dtype=np.float32)
        for crop, other in ((here, there), (there, here)):
            under, layer = np.ascontiguousarray(drawn[crop]), np.ascontiguousarray(image[other])
            drawn[crop] = over(under, layer, region.inside())
        for crop in (here, there):
            alpha[crop] = visible_change(image[crop], drawn[crop])
        return Rendered(drawn, alpha, details=details_of(region))
