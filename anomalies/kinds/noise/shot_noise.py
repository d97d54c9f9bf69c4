"""Photon noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.faults import InColour

PHOTONS = (400, 150, 60, 25, 10)
DARK_COUNT = 0.5


@dataclass(frozen=True)
class ShotNoise(InColour):
    """Photon noise: counts follow the Poisson distribution, so bright pixels scatter more.

    The severity sets the mean number of photons in a white pixel: 400, 150, 60, 25, 10. A dark count of 0.5 is
    added and its mean subtracted. Each pixel takes one of 256 quantiles of its distribution.
    """

    kind = "shot_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        table = _poisson(self.of(PHOTONS))
        which = np.frombuffer(rng.bytes(image.size), dtype=np.uint8)
        index = (image.reshape(-1).astype(np.uint16) << np.uint16(8)) | which
        return table[index].reshape(image.shape)


@lru_cache(maxsize=8)
def _poisson(photons: int) -> NDArray[np.uint8]:
    """(65536,) level shown for 256 x level + quantile, for ``photons`` in a white pixel."""
    means = (photons * np.arange(256) / 255 + DARK_COUNT)[:, None]
    counts = np.arange(int(photons + 8 * math.sqrt(photons) + 12))
    logarithms = counts * np.log(means) - means - np.array([math.lgamma(k + 1) for k in counts])
    reached = np.cumsum(np.exp(logarithms), axis=1)
    quantiles = (np.arange(256) + 0.5) / 256
    drawn: Map = np.stack([np.searchsorted(row, quantiles) for row in reached])
    levels = np.rint((drawn - DARK_COUNT) * (255 / photons)).clip(0, 255).astype(np.uint8).reshape(-1)
    levels.flags.writeable = False
    return levels
