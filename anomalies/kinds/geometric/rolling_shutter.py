"""Skew and wobble of a rolling shutter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.kinds.geometric._warp import Warp, signed
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, centred, in_pixels

SKEW = (0.010, 0.020, 0.040, 0.080, 0.140)


@dataclass(frozen=True)
class RollingShutter(Warp):
    """Rows are read out one after the other while the vehicle turns and shakes: verticals lean by 0.01, 0.02, 0.04,
    0.08, 0.14 H from top to bottom, within 10 %, with an oscillation of a sixth of that.
    """

    kind = "rolling_shutter"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        skew, phase, periods = self.of(SKEW) * signed(rng), rng.uniform(0, 2 * np.pi), rng.uniform(1, 2.5)
        x, y = centred(shape)
        wobble = np.sin(np.float32(2 * np.pi * periods) * y + np.float32(phase)) / 6
        return in_pixels(x + np.float32(skew) * (y + wobble), y, shape), {"skew": skew}
