"""Camera rotated about its optical axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.kinds.geometric._warp import Warp, signed
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, centred, in_pixels

ROLL = (1.0, 2.5, 5.0, 9.0, 15.0)


@dataclass(frozen=True)
class Roll(Warp):
    """The camera is rotated about its optical axis by 1, 2.5, 5, 9, 15 degrees, within 10 %, to either side."""

    kind = "roll"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        degrees = self.of(ROLL) * signed(rng)
        x, y = centred(shape)
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return in_pixels(cosine * x - sine * y, sine * x + cosine * y, shape), {"degrees": degrees}
