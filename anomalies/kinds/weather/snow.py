"""Falling and settled snow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.kinds.weather._particles import scattered, streaks
from anomalies.scene import GROUND, Scene
from anomalies.toolkit.depth import below_horizon, labelled_ground
from anomalies.toolkit.fields import Shape, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.light import NIGHT_AIR, coloured, over, screened, sky_light, uniform, veiled

SNOW_FLAKES = (130, 330, 750, 1400, 2400)
SNOW_CLARITY = (0.96, 0.91, 0.85, 0.78, 0.70)
FLAKE_SHADES = (0.45, 0.7, 1.0)
SNOW_GROUND = (0.0, 0.10, 0.20, 0.35, 0.50)


@dataclass(frozen=True)
class Snow(Anomaly):
    """Falling snow: flakes at all distances, a bright veil, settled snow on the ground.

    The severity sets the number of flakes per H x H pixels: 130, 330, 750, 1400, 2400; the contrast left by the
    veil: 0.96 to 0.70; and the whiteness of the ground: 0 to 0.5. Flakes are 0.0024 to 0.010 H wide; near ones are
    defocused and drawn out by their motion; a third each have 45, 70 and 100 % of the full brightness. Snow settles
    on ground classes of the labels, or below the horizon without labels.
    """

    kind = "snow"
    family = "weather"
    level = "image"
    version = 3

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        tilt = np.deg2rad(rng.uniform(-35, 35))
        flakes = scattered(rng, full, SNOW_FLAKES[-1], self.of(SNOW_FLAKES))
        light = streaks(
            flakes,
            full,
            tilt=tilt,
            length=(0.002, 0.016),
            width=(0.0024, 0.010),
            spread=0.3,
            shades=FLAKE_SHADES,
        )
        air = np.minimum(sky_light(image, NIGHT_AIR) * np.float32(1.1), 235)
        ground = self._ground(rng, full, scene)
        hazy = veiled(image, air, self.of(SNOW_CLARITY), 1.0)
        settled = over(hazy, uniform(air, image.shape), ground)
        return Rendered(screened(settled, coloured(light, air)), None)

    def _ground(self, rng: np.random.Generator, full: Shape, scene: Scene) -> Map:
        shape = working_shape(full)
        flat = fbm(rng, (shape[0], max(1, shape[1] // 4)), 0.08 * shape[0], octaves=5, gain=0.7)
        patches = smoothstep(resized(flat, shape), -0.9, 0.9)
        known = labelled_ground(scene, shape, *GROUND)
        where = below_horizon(shape, scene.horizon, 0.15) if known is None else known
        return resized(self.of(SNOW_GROUND) * patches * where, full)
