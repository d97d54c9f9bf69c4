"""Camera tilted up or down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.kinds.geometric._warp import Warp, signed
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, centred, in_pixels

PITCH = (0.02, 0.04, 0.07, 0.12, 0.18)


@dataclass(frozen=True)
class Pitch(Warp):
    """The camera is tilted up or down: the horizon moves by 0.02, 0.04, 0.07, 0.12, 0.18 H, within 10 %, and
    verticals converge as for a rotated pinhole camera.

    Args:
        focal_length: of the camera, in units of H, 0.5 to 10 (Cityscapes: 2.2).

    Raises:
        ValueError: the focal length is not a number from 0.5 to 10.
    """

    kind = "pitch"

    focal_length: float = 1.6

    def __post_init__(self) -> None:
        super().__post_init__()
        number = isinstance(self.focal_length, int | float) and not isinstance(self.focal_length, bool)
        if not number or not 0.5 <= self.focal_length <= 10:
            raise ValueError(
                f"pitch: focal_length must be a number from 0.5 to 10 (x H), got {self.focal_length!r}"
            )

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        shift, f = self.of(PITCH) * signed(rng), self.focal_length
        x, y = centred(shape)
        cosine, sine = math.cos(math.atan(shift / f)), math.sin(math.atan(shift / f))
        depth = cosine - sine * y / f
        return in_pixels(x / depth, (cosine * y + sine * f) / depth, shape), {"shift": shift}
