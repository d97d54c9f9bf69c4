"""Hot and dead pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.toolkit.faults import InColour, amount

DEFECTS = (5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2)
HOT, CLEAR = 0.7, 50
RED_BLUE = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
GREEN = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])


@dataclass(frozen=True)
class DeadPixels(InColour):
    """Hot (stuck at white) and dead (stuck at black) pixels of a sensor with a Bayer pattern. Demosaicing spreads
    each over its neighbours, so it appears as a small red, green or blue cross or blot.

    The severity sets the share of defective sensor pixels: 0.0005, 0.001, 0.0025, 0.005, 0.01, on small images at
    least 5, 10, 15, 20, 25 pixels. 70 % are hot; one that would be barely visible is of the other type. Alpha is 1
    in every pixel that demosaicing changes by 3 levels or more.
    """

    kind = "dead_pixels"
    family = "sensor"
    level = "pixel"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        most = amount(5, DEFECTS, h * w, step=5)
        places, hot = rng.choice(h * w, most, replace=False), rng.random(most) < HOT
        n = amount(self.severity, DEFECTS, h * w, step=5)
        rows, columns = np.divmod(places[:n], w)
        channels = rows % 2 + columns % 2  # RGGB
        level = image[rows, columns, channels].astype(np.int16)
        bright = np.where(hot[:n], level <= 255 - CLEAR, level < CLEAR)
        error = np.where(bright, 255 - level, -level)
        planes: Any = list(cv2.split(image))
        for channel, kernel in enumerate((RED_BLUE, GREEN, RED_BLUE)):
            of_channel = channels == channel
            errors = np.zeros((h, w), dtype=np.int16)
            errors[rows[of_channel], columns[of_channel]] = error[of_channel]
            spread = cv2.filter2D(errors, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            planes[channel] = cv2.add(planes[channel], spread, dtype=cv2.CV_8U)
        drawn: Any = cv2.merge(planes)
        return drawn
