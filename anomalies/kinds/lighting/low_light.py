"""Underexposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.lighting._exposure import channels, exposed, noisy, underexposed
from anomalies.scene import Scene

EXPOSURE = (0.50, 0.30, 0.18, 0.10, 0.05)
READ_NOISE = (1.5, 3.0, 5.0, 8.0, 12.0)


@dataclass(frozen=True)
class LowLight(Anomaly):
    """Underexposure: less light in linear units, with the noise of a sensor that counts 4000 electrons at white.

    The severity sets the exposure: 0.5, 0.3, 0.18, 0.10, 0.05, and the read noise: 1.5, 3, 5, 8, 12 levels of 255.
    In scenes that are already dark the exposure is reduced less, so that something remains visible.
    """

    kind = "low_light"
    family = "lighting"
    level = "image"
    version = 2

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        mean, deviation = underexposed(
            exposed(self.of(EXPOSURE), image), self.of(READ_NOISE), channels((1, 1, 1), image)
        )
        return Rendered(noisy(image, mean, deviation, rng), None)
