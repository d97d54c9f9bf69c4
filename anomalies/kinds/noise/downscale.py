"""Too low a resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import SMALL, stronger
from anomalies.toolkit.fields import resized

SCALE = (0.7, 0.5, 0.35, 0.25, 0.15)
SMALLER_STILL = 0.93 ** np.arange(24)
ENLARGED_BY = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Downscale(Anomaly):
    """Too low a resolution: reduced and enlarged again, linearly or cubically (drawn).

    The severity sets the scale: 0.7, 0.5, 0.35, 0.25, 0.15, with at least 2 pixels left. The pixel grid starts at a
    random position. Up to 128 x 128 pixels the scale is lowered, if necessary, until the error exceeds that of the
    severity below.
    """

    kind = "downscale"
    family = "noise"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        phases, how = rng.random(2), ENLARGED_BY[rng.integers(len(ENLARGED_BY))]

        def coarse(scale: float) -> Image:
            top, left = (int(phase / scale) for phase in np.minimum(phases, scale * (min(h, w) - 1)))
            padded: Any = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REFLECT_101)
            size = (max(2, round((h + top) * scale)), max(2, round((w + left) * scale)))
            enlarged: Any = cv2.resize(resized(padded, size), (w + left, h + top), interpolation=how)
            return np.ascontiguousarray(enlarged[top:, left:]).reshape(image.shape)

        if h * w > SMALL:
            return Rendered(coarse(self.of(SCALE)), None)
        return Rendered(stronger(image, coarse, [s * SMALLER_STILL for s in SCALE[: self.severity]]), None)
