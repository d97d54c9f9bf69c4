"""Wrong focal length or crop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.kinds.geometric._warp import Warp
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, centred, in_pixels

FIELD_OF_VIEW = (0.97, 0.93, 0.88, 0.80, 0.70)


@dataclass(frozen=True)
class Zoomed(Warp):
    """A lens of longer focal length, or a wrong crop: 0.97, 0.93, 0.88, 0.80, 0.70 of the field of view fill the
    image. The crop is off centre by up to half of the margin.
    """

    kind = "zoomed"

    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        share = self.of(FIELD_OF_VIEW)
        right, down = (float(part) for part in rng.uniform(-0.5, 0.5, 2))
        x, y = centred(shape)
        left_over = (1 - share) / 2
        columns = share * x + right * left_over * shape[1] / shape[0]
        return in_pixels(columns, share * y + down * left_over, shape), {"field_of_view": share}
