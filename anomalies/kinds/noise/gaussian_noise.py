"""Read noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Image
from anomalies.kinds.noise._tiles import tile_shape, with_noise
from anomalies.toolkit.faults import InColour

SIGMA = (0.01, 0.02, 0.04, 0.08, 0.15)


@dataclass(frozen=True)
class GaussianNoise(InColour):
    """Read noise: independent of signal, pixel and channel.

    The severity sets the standard deviation: 0.01, 0.02, 0.04, 0.08, 0.15 of white. A grey image gets the
    brightness of this noise, with 0.67 of that standard deviation.
    """

    kind = "gaussian_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        tile = rng.standard_normal(tile_shape(image), dtype=np.float32)
        return with_noise(image, tile * np.float32(255 * self.of(SIGMA)), rng)
