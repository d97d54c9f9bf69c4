"""Water drops on the lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.drops import with_drops
from anomalies.toolkit.lens import soiled

DROPS = (5, 11, 24, 46, 82)


@dataclass(frozen=True)
class WaterDrops(Anomaly):
    """Rain drops on the lens. Each is a wide lens that shows 0.35 to 0.45 H to all sides upside down, darker
    at the upper rim and bright at the lower one, where the sky is refracted into the lens; in dark places it is
    10 levels brighter than that, in bright ones darker.

    The severity sets the number of drops on a square of the image height: 5, 11, 24, 46, 82, so twice that on a
    Cityscapes image. Their radius is 0.006 to 0.028 H, small ones more often; all have an opacity of 0.78. On
    images too small for such drops there are fewer, not larger ones.
    """

    kind = "water_drops"
    family = "soiling"
    level = "pixel"
    version = 2

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        drawn, opacity = with_drops(image, rng, DROPS[-1], self.of(DROPS), least=self.severity)
        return soiled(drawn, opacity)
