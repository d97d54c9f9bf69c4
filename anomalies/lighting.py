"""Light that blinds the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anomalies.base import Anomaly, Field
from anomalies.fields import grid, smoothstep

VEIL = (0.25, 0.40, 0.55, 0.70, 0.85)
RADIUS = (0.08, 0.12, 0.18, 0.25, 0.35)
GHOSTS = (2, 3, 4, 6, 8)
TINTS = np.array([[1.0, 0.85, 0.55], [0.65, 0.95, 0.7], [0.6, 0.75, 1.0], [1.0, 0.7, 0.75]], dtype=np.float32)


@dataclass(frozen=True)
class SunFlare(Anomaly):
    """A low sun: a burnt-out disc, a veil that falls off with distance, and ghosts on the line through the
    image centre.

    Severity: veil .25 to .85, radius .08 to .35 of the height, 2 to 8 ghosts. Alpha is the share of added
    light.
    """

    kind: ClassVar[str] = "sun_flare"
    family: ClassVar[str] = "lighting"
    level: ClassVar[str] = "pixel"

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        height, width = image.shape[:2]
        step, aspect = self.severity - 1, width / height
        rows, columns = grid((height, width))
        sun = (random.uniform(0.08, 0.35), random.uniform(0.2, 0.8) * aspect)
        rays, phase = int(random.integers(5, 9)), random.uniform(0, 6.28)
        ghosts = random.random((max(GHOSTS), 4)).astype(np.float32)
        radius = RADIUS[step]
        dy, dx = rows - sun[0], columns - sun[1]
        distance = np.sqrt(dy * dy + dx * dx)
        star = 1 + 0.25 * np.cos(rays * np.arctan2(dy, dx) + phase) * np.exp(-distance / (1.5 * radius))
        veil = VEIL[step] / (1 + (distance / (radius * star)) ** 1.5)
        disc = 1 - smoothstep(distance, 0.25 * radius, 0.75 * radius)
        light = np.clip(veil + disc, 0, 1)[..., None] * np.array([1.0, 0.96, 0.86], dtype=np.float32)
        for along, size, strength, tint in ghosts[: GHOSTS[step]]:
            t = 0.5 + 1.5 * along
            centre = (sun[0] + t * (0.5 - sun[0]), sun[1] + t * (0.5 * aspect - sun[1]))
            reach = np.sqrt((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (0.02 + 0.09 * size)
            ring = (1 - smoothstep(reach, 0.85, 1.0)) * (0.55 + 0.45 * np.clip(reach, 0, 1) ** 2)
            colour = TINTS[int(tint * len(TINTS))]
            light = light + (0.06 + 0.16 * strength) * VEIL[step] * ring[..., None] * colour
        light = np.clip(light, 0, 1)
        alpha = light.max(axis=2)
        alpha = np.where(alpha < 0.02, 0, alpha).astype(np.float32)
        return (1 - (1 - image) * (1 - light)).astype(np.float32), alpha
