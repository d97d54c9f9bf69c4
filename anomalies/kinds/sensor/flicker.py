"""Brightness bands from flickering lamps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import by_row

FLICKER = (0.04, 0.08, 0.16, 0.30, 0.50)
SHORTEST_PERIOD, LONGEST_PERIOD = 0.12, 0.45
HARMONIC = 0.3


@dataclass(frozen=True)
class Flicker(Anomaly):
    """Lamps pulsed by the mains or by pulse-width modulation: the rows of a rolling shutter are exposed at
    different moments, which gives bright and dark bands.

    The severity sets the relative deviation of a band's exposure from the mean: 0.04, 0.08, 0.16, 0.30, 0.50. The
    period of the bands is random, 0.12 to 0.45 H. The profile is a sine with a harmonic of 0.3. A black image stays
    black.
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
        return Rendered(by_row(image, np.arange(256) * gain), None, details={"period": round(period, 2)})
