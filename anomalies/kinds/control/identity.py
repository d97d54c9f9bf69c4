"""The unchanged image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.light import no_alpha


@dataclass(frozen=True)
class Identity(Anomaly):
    """No anomaly: the unchanged input, encoded as the anomalous images are. The severity has no effect."""

    kind = "identity"
    family = "control"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        return Rendered(image.copy(), no_alpha(image))
