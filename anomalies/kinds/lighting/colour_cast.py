"""Wrong white balance or coloured light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.light import LUMA, toned

CAST = (0.10, 0.18, 0.28, 0.40, 0.60)
LOST: dict[str, tuple[float, float, float]] = {
    "warm": (0.0, 0.30, 1.0),
    "cold": (1.0, 0.35, 0.0),
    "green": (0.9, 0.0, 1.0),
    "magenta": (0.1, 1.0, 0.0),
}
STRAY = 14.0


@dataclass(frozen=True)
class ColourCast(Anomaly):
    """Wrong white balance or coloured light: warm as under sodium lamps, cold as at dusk, green as under
    fluorescent lamps, or magenta. Channels are attenuated in proportion; black gets a slight tint.

    The severity sets the attenuation of the weakest channel: 10, 18, 28, 40, 60 %. Grey images are darkened as the
    grey values of the coloured result are.
    """

    kind = "colour_cast"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        cast = list(LOST)[int(rng.integers(len(LOST)))]
        lost = np.array(LOST[cast]) * rng.uniform(0.9, 1.0)
        levels = np.arange(256)[:, None]
        change: Any = self.of(CAST) * (STRAY * (lost.max() - lost) - lost * levels)
        table = np.clip(levels + change, 0, 255)
        table = table if image.shape[2] == 3 else (table @ LUMA)[:, None]
        return Rendered(toned(image, table), None, details={"cast": cast})
