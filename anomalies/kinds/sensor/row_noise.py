"""Noise common to each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import by_row

ROW_GAIN = (0.01, 0.02, 0.04, 0.08, 0.16)
ROW_OFFSET = 64


@dataclass(frozen=True)
class RowNoise(Anomaly):
    """Fixed-pattern noise of a sensor whose rows have different gains: horizontal stripes.

    The severity sets the standard deviation of the row gains: 0.01, 0.02, 0.04, 0.08, 0.16. The standard deviation
    of the row offsets is 64 levels times that, so the stripes are visible in dark images too.
    """

    kind = "row_noise"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        gain, offset = rng.standard_normal((2, image.shape[0], 1)) * self.of(ROW_GAIN)
        return Rendered(by_row(image, np.arange(256) * (1 + gain) + ROW_OFFSET * offset), None)
