"""Demosaicing with the wrong Bayer pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.toolkit.faults import InColour, mixture

MIXED = (0.10, 0.25, 0.45, 0.70, 1.00)
WHITE_BALANCE = np.array((1.6, 1.0, 1.4))
BLACK_LEVELS = (10.0, 2.0, 6.0)


@dataclass(frozen=True)
class BayerMismatch(InColour):
    """The raw image is demosaiced with the wrong Bayer pattern: white balance and black level are applied to the
    wrong channels, so colours are wrong and edges show a mesh of single pixels.

    The severity sets the share of the wrong result in a mixture with the correct one: 0.10, 0.25, 0.45, 0.70, 1.00.
    One of the three wrong patterns is drawn. Red and blue pixels are assumed to be 1.6 and 1.4 times less sensitive
    than green ones.
    """

    kind = "bayer_mismatch"
    family = "sensor"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        dy, dx = ((0, 1), (1, 0), (1, 1))[rng.integers(3)]
        gains = WHITE_BALANCE ** rng.uniform(0.8, 1.2, 3)
        levels = np.arange(256, dtype=np.float32)
        raw = np.empty(image.shape[:2], dtype=np.uint8)
        for y in range(2):
            for x in range(2):
                # Written by an RGGB sensor, read as one whose pattern starts dy rows and dx columns later.
                written, read = y + x, (y + dy) % 2 + (x + dx) % 2
                signal = levels / gains[written] + BLACK_LEVELS[written]
                table = (signal - BLACK_LEVELS[read]) * gains[read]
                balanced = np.rint(table).clip(0, 255).astype(np.uint8)
                raw[y::2, x::2] = balanced[image[y::2, x::2, written]]
        # OpenCV names a pattern after its second row; RGGB is "BG" there.
        code = {(0, 1): cv2.COLOR_BayerGB2RGB, (1, 0): cv2.COLOR_BayerGR2RGB, (1, 1): cv2.COLOR_BayerRG2RGB}
        wrong: Any = cv2.cvtColor(raw, code[dy, dx])
        return mixture(wrong, image, self.of(MIXED))
