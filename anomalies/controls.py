"""What must not alarm: images that a generator touched without making them anomalous."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene


@dataclass(frozen=True)
class Identity(Anomaly):
    """No anomaly: the pixels of the input, for controls. The severity has no effect."""

    kind = "identity"
    family = "control"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        return Rendered(image.copy(), np.zeros(image.shape[:2], dtype=np.float32))


KINDS: tuple[type[Anomaly], ...] = (Identity,)
