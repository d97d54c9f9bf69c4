"""A cracked lens cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import blurred
from anomalies.toolkit.lens import soiled
from anomalies.toolkit.light import coloured, enlarged_alpha, over, screened, sky_light, toned

CRACKS = (3, 5, 8, 12, 17)
LENGTH = (0.20, 0.32, 0.48, 0.70, 1.00)
WIDTH = (0.0016, 0.0020, 0.0025, 0.0030, 0.0036)
STEPS = 14
RINGS = 3
SOFT = 0.0012
LEVELS = np.arange(256)[:, None]
GOLDEN = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True)
class Crack(Anomaly):
    """A stone chip in the glass: cracks radiate from the impact, each a bright line that reflects the sky next to a
    dark one, connected by rings near the centre.

    The severity sets the number of cracks: 3, 5, 8, 12, 17; the length of the longest: 0.2, 0.32, 0.48, 0.7, 1.0 H;
    and their width: 0.0016 to 0.0036 H, at least one pixel.
    """

    kind = "crack"
    family = "soiling"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        lines = self._lines(rng, (h, w))
        width = max(1, round(self.of(WIDTH) * h))
        beside = rng.uniform(0.5, 1.0, 2) * max(1.0, 0.0022 * h)
        bright, dark = (_drawn(lines + shift, (h, w), width) for shift in (0, beside))
        bright, dark = (toned(line, share * LEVELS) for line, share in ((bright, 0.80), (dark, 0.62)))
        hidden = screened(bright, dark)
        light: Any = cv2.divide(bright, hidden, scale=255)
        layer = coloured(light.reshape(h, w), sky_light(image) + 10).reshape(image.shape)
        opacity = enlarged_alpha(hidden.astype(np.float32) / np.float32(255), (h, w))
        return soiled(over(image, layer, opacity), opacity)

    def _lines(self, rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
        """(N, STEPS, 2) points along cracks and rings, in pixels."""
        h, w = shape
        most = CRACKS[-1]
        impact = rng.uniform(0.2, 0.8, 2) * (w, h)
        angles = rng.uniform(0, 2 * np.pi) + GOLDEN * np.arange(most) + rng.normal(0, 0.12, most)
        turns = np.cumsum(rng.normal(0, 0.11, (most, STEPS)), axis=1)
        lengths = h * self.of(LENGTH) * (0.35 + 0.65 * rng.random(most))
        turned = angles[:, None] + turns
        steps = np.stack((np.cos(turned), np.sin(turned)), axis=2) * (lengths / STEPS)[:, None, None]
        cracks = impact + np.cumsum(steps, axis=1) - steps[:, :1]
        kept = self.of(CRACKS)
        order = np.argsort(angles[:kept] % (2 * np.pi), kind="stable")
        reached = rng.uniform(0.06, 0.22, (RINGS, most))[:, :kept]
        rings = [self._ring(impact, angles[:kept][order], h * self.of(LENGTH) * r[order]) for r in reached]
        return np.concatenate((cracks[:kept], *rings))

    def _ring(
        self, centre: NDArray[np.float64], angles: NDArray[np.float64], radii: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(N - 1, STEPS, 2) straight pieces between neighbouring cracks, every other one."""
        corners = centre + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
        along = np.linspace(0, 1, STEPS)[:, None]
        pieces = [a + along * (b - a) for a, b in zip(corners[:-1:2], corners[1::2], strict=False)]
        return np.array(pieces)


def _drawn(lines: NDArray[np.float64], shape: tuple[int, int], width: int) -> Image:
    """(H, W) 0 to 255; thinner towards the end."""
    drawn: Any = np.zeros(shape, dtype=np.uint8)
    points = np.rint(lines * 16).astype(np.int32)
    half = STEPS // 2
    cv2.polylines(drawn, list(points[:, half:]), False, 190, max(1, width - 1), cv2.LINE_AA, 4)
    cv2.polylines(drawn, list(points[:, : half + 1]), False, 255, width, cv2.LINE_AA, 4)
    softened: Image = blurred(drawn, SOFT * shape[0])
    return softened
