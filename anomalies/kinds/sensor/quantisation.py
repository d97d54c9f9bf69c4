"""Too few bits per value."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene

BITS = (6, 5, 4, 3, 2)


@dataclass(frozen=True)
class Quantisation(Anomaly):
    """Too few bits: smooth surfaces break up into steps. The converter's reference drifts by one step during the
    readout, so the steps are shifted from row to row.

    The severity sets the number of bits: 6, 5, 4, 3, 2; no row has more than 2^bits + 1 levels.
    """

    kind = "quantisation"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h = image.shape[0]
        step = 2 ** (8 - self.of(BITS))
        drift = np.floor(step * ((rng.random() + np.arange(h) / h) % 1)).astype(np.int64)
        starts = [0, *(np.flatnonzero(np.diff(drift)) + 1), h]
        drawn = np.empty_like(image)
        for first, last in pairwise(starts):
            offset = int(drift[first])
            levels = (np.arange(256) + offset) // step * step + step // 2 - offset
            stepped: Any = cv2.LUT(image[first:last], levels.clip(0, 255).astype(np.uint8))
            drawn[first:last] = stepped.reshape(-1, *image.shape[1:])
        return Rendered(drawn, None)
