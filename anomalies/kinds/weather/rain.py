"""Falling rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.weather._particles import scattered, streaks
from anomalies.scene import Scene
from anomalies.toolkit.drops import with_drops
from anomalies.toolkit.light import coloured, screened, sky_light, veiled

RAIN_STREAKS = (160, 420, 950, 1900, 3400)
RAIN_OPACITY = (0.16, 0.19, 0.22, 0.26, 0.30)
RAIN_CLARITY = (0.97, 0.92, 0.86, 0.80, 0.72)
RAIN_DARKENING = (0.97, 0.94, 0.91, 0.87, 0.83)
RAIN_DROPS = (1, 3, 6, 11, 18)


@dataclass(frozen=True)
class Rain(Anomaly):
    """Falling rain: motion streaks of the drops, a veil of spray, less light, drops on the lens.

    The severity sets the number of streaks per H x H pixels: 160, 420, 950, 1900, 3400; their opacity: 0.16 to
    0.30; the contrast left by the veil: 0.97 to 0.72; the light left: 0.97 to 0.83; and the drops on the lens per H
    x H pixels: 1, 3, 6, 11, 18. Streaks are 0.02 to 0.08 H long, nearer ones longer, wider and fainter, within 15
    degrees of one direction.
    """

    kind = "rain"
    family = "weather"
    level = "image"
    version = 3

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-15, 15))
        drops = scattered(rng, full, RAIN_STREAKS[-1], self.of(RAIN_STREAKS))
        light = streaks(drops, full, tilt=tilt, length=(0.02, 0.08), width=(0.0008, 0.0022), spread=0.04)
        air = sky_light(image) * np.float32(self.of(RAIN_DARKENING))
        hazy = veiled(image, air, self.of(RAIN_CLARITY), self.of(RAIN_DARKENING))
        rainy = screened(hazy, coloured(light, self.of(RAIN_OPACITY) * air))
        return Rendered(with_drops(rainy, rng, RAIN_DROPS[-1], self.of(RAIN_DROPS))[0], None)
