"""Uncorrected lens distortion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.kinds.geometric._warp import Warp, signed
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, centred, in_pixels

K1 = (0.02, 0.05, 0.10, 0.18, 0.30)


@dataclass(frozen=True)
class RadialDistortion(Warp):
    """Uncorrected lens distortion: straight lines bend outwards (barrel) or inwards (pincushion). The source radius
    is r (1 + k r^2), with r in half diagonals of the image and |k| 0.02, 0.05, 0.10, 0.18, 0.30, within 10 %.
    """

    kind = "radial_distortion"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        k = self.of(K1) * signed(rng)
        x, y = centred(shape)
        half_diagonal = math.hypot(shape[0], shape[1]) / (2 * shape[0])
        bend = 1 + np.float32(k / half_diagonal**2) * (x * x + y * y)
        return in_pixels(x * bend, y * bend, shape), {"k": k}
