"""Insects splattered on the lens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.lens import discs, layered, light_on, spread
from anomalies.toolkit.light import colour

SPLATS = (1, 2, 4, 7, 12)
BODY = (0.016, 0.019, 0.022, 0.025, 0.028)
SPRAY = 26
PARTS = 4
BODY_COLOUR, FLUID = (0.16, 0.12, 0.08), (0.74, 0.68, 0.42)


@dataclass(frozen=True)
class Insect(Anomaly):
    """Insects that hit the lens: a dark body in a pale smear of fluid, with a spray that points away from the
    impact.

    The severity sets the number: 1, 2, 4, 7, 12, and the radius of a body: 0.016 to 0.028 H; the spray reaches five
    times as far. Body and inner fluid are opaque, the spray is semi-transparent.
    """

    kind = "insect"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = working_shape((image.shape[0], image.shape[1]))
        h, w = shape
        most = SPLATS[-1]
        centres = (0.06 + 0.88 * spread(rng, most)) * (w, h)
        sizes = rng.uniform(0.75, 1.25, most) * max(self.of(BODY) * h, 0.9)
        reach, angles = rng.random((most, SPRAY)), rng.normal(0, 0.9, (most, SPRAY))
        angles += rng.uniform(0, 2 * np.pi, (most, 1))
        grain = fbm(rng, shape, 0.02 * h, octaves=3)
        n = self.of(SPLATS)
        body, fluid = _splats(shape, centres[:n], sizes[:n], reach[:n], angles[:n])
        fluid = fluid * (1 + np.float32(0.2) * np.clip(grain, -2, 2))
        opacity = np.maximum(np.float32(0.95) * body, np.float32(0.74) * smoothstep(fluid, 0.02, 0.75))
        small = resized(image, shape).reshape(h, w, -1)
        dark = smoothstep(body, 0.1, 0.7)[..., None]
        albedo = colour(FLUID, image) * (1 - dark) + colour(BODY_COLOUR, image) * dark
        layer = light_on(small) * albedo * np.float32(1.25) + 6
        return layered(image, small, opacity, layer, 0.008)


def _splats(
    shape: Shape,
    centres: NDArray[np.float64],
    sizes: NDArray[np.float64],
    reach: NDArray[np.float64],
    angles: NDArray[np.float64],
) -> tuple[Map, Map]:
    """Bodies and fluid, (h, w) in [0, 1]."""
    ways = np.stack((np.cos(angles), np.sin(angles)), axis=2)
    sprayed = centres[:, None] + (sizes[:, None] * (0.6 + 4.4 * reach**1.6))[..., None] * ways
    radii = sizes[:, None] * (0.62 - 0.5 * reach)
    soft = max(0.5, 0.004 * shape[0])
    streaks = np.zeros(shape, dtype=np.uint8)
    trails = np.stack((centres[:, None] + 0 * ways, sprayed), axis=2).reshape(-1, 2, 2)
    cv2.polylines(streaks, np.rint(trails * 16).astype(np.int32), False, 150, 1, cv2.LINE_AA, 4)
    pool = discs(shape, centres, 1.5 * sizes, 2 * soft)
    drops = discs(shape, sprayed.reshape(-1, 2), radii.ravel(), soft)
    fluid = np.maximum(np.maximum(pool, drops), blurred(streaks, soft).astype(np.float32) / 255)
    body = discs(shape, centres, 0.8 * sizes, soft)
    parts = centres[:, None] + (sizes[:, None] * (0.5 + 0.7 * reach[:, :PARTS]))[..., None] * -ways[:, :PARTS]
    swollen = (sizes[:, None] * (0.55 - 0.35 * reach[:, :PARTS])).ravel()
    body = np.maximum(body, discs(shape, parts.reshape(-1, 2), swollen, soft))
    return body, fluid
