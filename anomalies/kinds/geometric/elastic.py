"""Wavy local displacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.kinds.geometric._warp import Warp
from anomalies.toolkit.fields import Shape, fbm, working_shape
from anomalies.toolkit.warping import Maps

AMPLITUDE = (0.001, 0.002, 0.004, 0.007, 0.012)
ELASTIC_CELL = 0.12
SMALLEST_ELASTIC = 64


@dataclass(frozen=True)
class Elastic(Warp):
    """The scene seen through hot air or a wavy windscreen: displaced by smooth random waves, 0.12 H wide, with a
    standard deviation of 0.001, 0.002, 0.004, 0.007, 0.012 H (on images below 64 rows as for 64 rows).
    """

    kind = "elastic"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        grid = working_shape(shape)
        pixels = np.float32(self.of(AMPLITUDE) * max(shape[0], SMALLEST_ELASTIC))
        right, down = (
            cv2.resize(fbm(rng, grid, ELASTIC_CELL * grid[0], octaves=2), shape[::-1]) * pixels for _ in "xy"
        )
        columns = np.arange(shape[1], dtype=np.float32)[None, :] + right
        return (columns, np.arange(shape[0], dtype=np.float32)[:, None] + down), {"pixels": float(pixels)}
