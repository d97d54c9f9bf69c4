"""Noise of a high sensitivity setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.kinds.noise._tiles import tile_shape, with_noise
from anomalies.toolkit.faults import InColour

LUMINANCE = (0.01, 0.02, 0.035, 0.055, 0.08)
CHROMA = (0.01, 0.018, 0.03, 0.045, 0.065)
GRAIN = 0.0025


@dataclass(frozen=True)
class IsoNoise(InColour):
    """A high sensitivity setting: fine luminance noise and coarser colour noise.

    The severity sets the standard deviations as shares of white: luminance 0.01, 0.02, 0.035, 0.055, 0.08; both
    colour differences 0.01, 0.018, 0.03, 0.045, 0.065. The colour noise is blurred with a Gaussian of 0.0025 H, at
    least 0.6 pixels.
    """

    kind = "iso_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        shape = tile_shape(image)
        tile = rng.standard_normal(shape, dtype=np.float32)
        blots = max(GRAIN * image.shape[0], 0.6)
        for c in (1, 2):
            soft: Any = cv2.GaussianBlur(np.ascontiguousarray(tile[..., c]), (0, 0), blots)
            tile[..., c] = soft / np.float32(max(soft.std(), 1e-6)) * np.float32(self.of(CHROMA))
        tile[..., 0] *= np.float32(self.of(LUMINANCE))
        from_ycrcb = np.array([[1, 1.402, 0], [1, -0.714, -0.344], [1, 0, 1.772]], dtype=np.float32)
        return with_noise(image, cv2.transform(tile, 255 * from_ycrcb), rng)
