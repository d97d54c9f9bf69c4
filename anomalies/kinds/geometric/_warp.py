"""Base class of the geometric kinds: image and labels through one coordinate map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import Shape
from anomalies.toolkit.warping import Maps, warp

SPREAD = (0.9, 1.1)


@dataclass(frozen=True)
class Warp(Anomaly):
    """A kind that displaces pixels; subclasses give the source coordinates of every pixel."""

    family = "geometric"
    level = "image"
    moves_pixels = True

    @abstractmethod
    def source(self, rng: np.random.Generator, shape: Shape) -> tuple[Maps, Mapping[str, Any]]:
        """Source columns and rows for each pixel of an (H, W) image, and details for the manifest."""

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        maps, details = self.source(rng, (image.shape[0], image.shape[1]))
        seen, labels = warp(image, scene.labels, maps)
        return Rendered(seen, None, labels, details=details)


def signed(rng: np.random.Generator) -> float:
    """A factor near 1, of either sign."""
    side, size = rng.random(), float(rng.uniform(*SPREAD))
    return size if side < 0.5 else -size
