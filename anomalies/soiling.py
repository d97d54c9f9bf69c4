"""Dirt on the lens. It sits far out of focus: opacity edges are soft, and the scene behind thin dirt is
defocused, not just tinted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from anomalies.base import Anomaly, Field
from anomalies.fields import blend, blur, fbm, quarter, resize, smoothstep

COVERAGE = (0.03, 0.08, 0.18, 0.32, 0.50)
OPAQUE_SHARE = (0.05, 0.15, 0.30, 0.45, 0.65)
DEFOCUS = (0.004, 0.008, 0.012, 0.018, 0.025)
MUD = np.array(
    [[0.30, 0.23, 0.16], [0.38, 0.31, 0.23], [0.24, 0.20, 0.16], [0.42, 0.36, 0.28]], dtype=np.float32
)


@dataclass(frozen=True)
class Mud(Anomaly):
    """Splashed mud: clumps with a film around them, lit by a heavily blurred copy of the frame so that it
    follows day and night.

    Severity: share of pixels with opacity above .05 of 3, 8, 18, 32, 50 %; of those, 5 to 65 % opaque;
    defocus behind the film .004 to .025 of the height.
    """

    kind: ClassVar[str] = "mud"
    family: ClassVar[str] = "soiling"
    level: ClassVar[str] = "pixel"

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        shape, step = image.shape[:2], self.severity - 1
        opacity = resize(self._opacity(quarter(shape), random), shape)
        opacity = np.where(opacity < 0.02, 0, np.clip(opacity, 0, 0.98)).astype(np.float32)
        height = shape[0]
        defocused = blur(image, DEFOCUS[step] * height)
        light = blur(image, 0.15 * height).mean(axis=2, keepdims=True)
        grain = 0.75 + 0.5 * fbm(shape, random, 0.03, 4)
        albedo = MUD[random.integers(len(MUD))] * grain[..., None]
        paint = albedo * (0.25 + 1.3 * light)
        film = smoothstep(opacity, 0.0, 0.35)
        return blend(blend(image, defocused, film), paint, opacity), opacity

    def _opacity(self, small: tuple[int, int], random: np.random.Generator) -> Field:
        """Opacity whose coverage and opaque share are those of the severity, for one random pattern."""
        splash = self._splashes(small, random)
        field = 0.45 * fbm(small, random, 0.35, 5) + 0.25 * fbm(small, random, 0.08, 3) + 0.45 * splash
        field = blur(field.astype(np.float32), 0.006 * small[0])
        coverage = COVERAGE[self.severity - 1]
        edge, core = np.quantile(field, [1 - coverage, 1 - coverage * OPAQUE_SHARE[self.severity - 1]])
        margin = max(core - edge, 0.02)
        return blur(smoothstep(field, edge - 0.12 * margin, edge + 1.25 * margin), 0.005 * small[0])

    @staticmethod
    def _splashes(small: tuple[int, int], random: np.random.Generator) -> Field:
        """Blobs and drops thrown from below, largest near the lower edge; in [0, 1]."""
        canvas = np.zeros(small, dtype=np.float32)
        height, width = small
        for _ in range(60):
            row, column = 1 - random.random() ** 1.6, random.random()
            size = height * 0.012 * (1 + 7 * random.random() ** 3)
            axes = (max(1, round(size)), max(1, round(size * (1 + random.random()))))
            angle, strength = 90 * random.random(), 0.4 + 0.6 * random.random()
            centre = (round(column * width), round(row * height))
            cv2.ellipse(canvas, centre, axes, angle, 0, 360, float(strength), -1, cv2.LINE_AA)
        return blur(canvas, 0.02 * height)
