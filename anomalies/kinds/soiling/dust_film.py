"""A film of dried dust on the lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import fbm, resized, working_shape
from anomalies.toolkit.lens import LEAST_OPACITY, discs, layered, lit, opacity_of

DUST = (0.80, 0.74, 0.64)
DUST_COVERAGE = (0.25, 0.45, 0.65, 0.82, 0.95)
DUST_OPACITY = (0.22, 0.30, 0.40, 0.50, 0.60)
DUST_BLUR = (0.003, 0.004, 0.005, 0.006, 0.008)
GRAINS_PER_SQUARE = 400


@dataclass(frozen=True)
class DustFilm(Anomaly):
    """Dried dust on the lens: a pale film, cloudy and grainy, that scatters light and reduces contrast.

    The severity sets the share of the image that is covered (opacity >= 0.05): 25, 45, 65, 82, 95 %; the opacity of
    its densest tenth: 0.22, 0.30, 0.40, 0.50, 0.60; and the blur behind it: 0.003 to 0.008 H.
    """

    kind = "dust_film"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h, w = shape
        clouds = fbm(rng, shape, 0.8 * h, octaves=2) + 0.5 * fbm(rng, shape, 0.12 * h, octaves=6, gain=0.65)
        count = round(GRAINS_PER_SQUARE * w / h)
        centres, radii = rng.random((count, 2)) * (w, h), h * (0.002 + 0.003 * rng.random(count) ** 2)
        thickness = clouds + np.float32(1.2) * discs(shape, centres, radii, max(0.6, 0.002 * h))
        dense = self.of(DUST_OPACITY)
        opacity = opacity_of(thickness, self.of(DUST_COVERAGE), 0.10, dense, 1.25 * dense, LEAST_OPACITY[0])
        small = resized(image, shape).reshape(h, w, -1)
        film = lit(image, small, DUST, np.ones(shape, dtype=np.float32)) + 10
        return layered(image, small, opacity, film, self.of(DUST_BLUR))
