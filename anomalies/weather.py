"""Fog, rain and snow. Without a depth map a pixel's distance is that of the ground plane at its row, and far
above the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from anomalies.base import Anomaly, Field
from anomalies.fields import blur, fbm, grid, smoothstep

VISIBILITY = (600.0, 300.0, 150.0, 75.0, 40.0)
HORIZON, CAMERA_HEIGHT, FOCAL = 0.42, 1.3, 2.2
NEAREST, FARTHEST = 4.0, 300.0


def ground_depth(shape: tuple[int, int]) -> Field:
    """(H, 1) distance in metres by row, for a camera 1.3 m above the road that sees the horizon at .42 of the
    height.

    Above the horizon scenery gets nearer again: facades and trees stand beside the road.
    """
    rows, _ = grid(shape)
    below = CAMERA_HEIGHT * FOCAL / np.maximum(rows - HORIZON, 1e-3)
    above = FARTHEST * (1 - 0.75 * np.clip((HORIZON - rows) / HORIZON, 0, 1))
    return np.where(rows > HORIZON, np.clip(below, NEAREST, FARTHEST), above).astype(np.float32)


@dataclass(frozen=True)
class Fog(Anomaly):
    """Koschmieder's law I = J t + A (1 - t), t = exp(-beta d), beta = 2.996 / visibility, with drifting
    density.

    Severity: meteorological visibility 600, 300, 150, 75, 40 m; the air light A is the frame's bright sky,
    veiled grey.
    """

    kind: ClassVar[str] = "fog"
    family: ClassVar[str] = "weather"
    level: ClassVar[str] = "image"

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        shape = image.shape[:2]
        density = 0.85 + 0.3 * fbm(shape, random, 0.5, 4, stretch=2)
        beta = 2.996 / VISIBILITY[self.severity - 1]
        transmission = np.exp(-beta * ground_depth(shape) * density)[..., None]
        bright = np.quantile(
            image[:: max(1, shape[0] // 64), :: max(1, shape[1] // 64)].reshape(-1, 3), 0.97, axis=0
        )
        grey = bright.mean() * np.array([0.98, 1.0, 1.02])
        air = np.clip(0.75 * grey + 0.25 * bright, 0.25, 0.93).astype(np.float32)
        return image * transmission + air * (1 - transmission), None


@dataclass(frozen=True)
class Rain(Anomaly):
    """Streaks of falling drops in three distances, a veil that takes contrast, and less light.

    Severity: 150 to 3,200 streaks per megapixel of a 1,024-row frame, length .02 to .06 of the height,
    contrast .97 to .72.
    """

    kind: ClassVar[str] = "rain"
    family: ClassVar[str] = "weather"
    level: ClassVar[str] = "image"

    STREAKS: ClassVar[tuple[int, ...]] = (300, 600, 1100, 1900, 3200)
    CONTRAST: ClassVar[tuple[float, ...]] = (0.95, 0.89, 0.83, 0.77, 0.70)

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        height, width = image.shape[:2]
        step = self.severity - 1
        light = np.zeros((height, width), dtype=np.float32)
        slant = random.uniform(-0.25, 0.25)
        count = round(self.STREAKS[step] * 1.05 * width / height)
        starts = random.random((max(self.STREAKS) * 3 + 1, 4))[:count]
        for column, row, size, strength in starts:
            length = (0.015 + 0.06 * size**2) * height
            begin = np.array(
                [column * (width + 0.2 * height) - 0.1 * height, row * 1.1 * height - 0.1 * height]
            )
            end = begin + length * np.array([slant, 1.0])
            ends = [tuple(np.round(point * 16).astype(int).tolist()) for point in (begin, end)]
            thickness = max(1, round(0.0012 * height * (1 + 1.5 * size**2)))
            cv2.line(light, ends[0], ends[1], float(0.08 + 0.22 * strength), thickness, cv2.LINE_AA, 4)
        streaks = blur(light, max(0.0006 * height, 0.3))[..., None]
        contrast = self.CONTRAST[step]
        veil = np.float32(image.mean()) * np.array([0.97, 1.0, 1.04], dtype=np.float32)
        dim = contrast * image + (1 - contrast) * veil
        return (dim * (1 - 0.06 * self.severity)) * (1 - streaks) + streaks * np.maximum(
            veil * 1.6, 0.55
        ), None


@dataclass(frozen=True)
class Snow(Anomaly):
    """Flakes in three distances, near ones large and blurred by motion, over a whitened and veiled scene.

    Severity: 100 to 2,400 flakes per megapixel of a 1,024-row frame; ground whitened by 0 to 50 %.
    """

    kind: ClassVar[str] = "snow"
    family: ClassVar[str] = "weather"
    level: ClassVar[str] = "image"

    FLAKES: ClassVar[tuple[int, ...]] = (250, 500, 900, 1500, 2400)
    WHITENING: ClassVar[tuple[float, ...]] = (0.05, 0.14, 0.24, 0.36, 0.50)
    LAYERS: ClassVar[tuple[tuple[float, float, float], ...]] = (
        (0.0012, 0.55, 0.6),
        (0.0028, 0.3, 0.75),
        (0.0065, 0.15, 0.85),
    )

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        height, width = image.shape[:2]
        step = self.severity - 1
        rows, _ = grid((height, width))
        up_facing = smoothstep(rows, 0.35, 0.75) * fbm((height, width), random, 0.15, 5)
        white = self.WHITENING[step] * np.clip(0.25 + 1.2 * up_facing, 0, 1)[..., None]
        brightness = np.clip(np.float32(np.quantile(image[::4, ::4], 0.9)) * 1.05, 0.35, 0.95)
        scene = image * (1 - white) + white * brightness
        total = self.FLAKES[step] * 1.05 * width / height
        drift = random.uniform(-0.6, 0.6)
        for size, share, opacity in self.LAYERS:
            light = np.zeros((height, width), dtype=np.float32)
            for column, row, radius in random.random((int(max(self.FLAKES) * 4 * share) + 1, 3))[
                : round(total * share)
            ]:
                r = max(size * height * (0.6 + 0.8 * radius), 0.45)
                centre = np.array([column * width, row * height])
                tail = centre + 1.6 * r * np.array([drift, 1.0])
                ends = [tuple(np.round(point * 16).astype(int).tolist()) for point in (centre, tail)]
                cv2.line(light, ends[0], ends[1], float(opacity), max(1, round(2 * r)), cv2.LINE_AA, 4)
            flakes = blur(light, 0.4 * size * height)[..., None]
            scene = scene * (1 - flakes) + flakes * max(float(brightness), 0.75)
        return scene, None
