"""What goes wrong row by row, as a rolling shutter reads them out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene

ROW_GAIN = (0.01, 0.02, 0.04, 0.08, 0.16)
ROW_OFFSET = 64
FLICKER = (0.04, 0.08, 0.16, 0.30, 0.50)
SHORTEST_PERIOD, LONGEST_PERIOD = 0.12, 0.45
HARMONIC = 0.3


@dataclass(frozen=True)
class RowNoise(Anomaly):
    """Fixed pattern of a sensor whose rows are amplified differently: horizontal stripes.

    The severity sets the standard deviation of the rows' gain: 0.01, 0.02, 0.04, 0.08, 0.16. Their offset has
    64 levels times that, so that the stripes show in the dark as well.
    """

    kind = "row_noise"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        gain, offset = rng.standard_normal((2, image.shape[0], 1)) * self.of(ROW_GAIN)
        return Rendered(_by_row(image, np.arange(256) * (1 + gain) + ROW_OFFSET * offset), None)


@dataclass(frozen=True)
class Flicker(Anomaly):
    """Lamps that pulse with the mains or with pulse-width modulation: the rows of a rolling shutter are exposed
    at different moments and show it as bright and dark bands.

    The severity sets by how much of the exposure a band differs from the mean: 0.04, 0.08, 0.16, 0.30, 0.50.
    The period of the bands is drawn, 0.12 to 0.45 H: the shutter's way in one pulse of the lamp. They are
    no pure sine: a harmonic of 0.3 is added. A black image stays black.
    """

    kind = "flicker"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h = image.shape[0]
        period = h * math.exp(rng.uniform(math.log(SHORTEST_PERIOD), math.log(LONGEST_PERIOD)))
        phase, second = rng.uniform(0, 2 * math.pi, 2)
        angle = 2 * math.pi * np.arange(h) / period + phase
        wave = (np.sin(angle) + HARMONIC * np.sin(2 * angle + second)) / (1 + HARMONIC)
        gain = 1 + self.of(FLICKER) * wave[:, None]
        return Rendered(_by_row(image, np.arange(256) * gain), None, details={"period": round(period, 2)})


def _by_row(image: Image, tables: NDArray[Any]) -> Image:
    """Every level of row y replaced by its entry in ``tables[y]``; tables (H, 256), 0 to 255 or clipped."""
    levels = np.rint(tables).clip(0, 255).astype(np.uint8)
    drawn = np.empty_like(image)
    for row, table in enumerate(levels):
        changed: Any = cv2.LUT(image[row : row + 1], table)
        drawn[row : row + 1] = changed.reshape(1, *image.shape[1:])
    return drawn
