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
    """Rain drops on the lens. Each acts as a wide-angle lens that shows the surrounding 0.35 to 0.45 H upside down,
    darker at its upper rim and brighter at the lower one, where it refracts the sky. In dark places a drop is 10
    levels brighter than that, in bright places darker.

    The severity sets the number of drops per H x H pixels: 5, 11, 24, 46, 82 (twice that on a Cityscapes image).
    Their radius is 0.006 to 0.028 H, small ones are more frequent; the opacity is 0.78. On images too small for
    such drops there are fewer, not larger ones.
    """

    kind = "water_drops"
    family = "soiling"
    level = "pixel"
    version = 2

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        drawn, opacity = with_drops(image, rng, DROPS[-1], self.of(DROPS), least=self.severity)
        return soiled(drawn, opacity)
