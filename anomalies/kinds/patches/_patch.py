"""Base class of the patches: one region, drawn, and marked where it visibly changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.patches._regions import Outline, Region, placed, visible_change
from anomalies.scene import Scene


@dataclass(frozen=True)
class Patch(Anomaly):
    """A kind that changes one region; subclasses define its shape and its new pixels."""

    family = "patches"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        region = placed(rng, self.outline(rng), self.severity, image.shape[:2], scene, self.area)
        drawn, alpha = image.copy(), np.zeros(image.shape[:2], dtype=np.float32)
        drawn[region.crop] = self.fill(image, region, rng)
        alpha[region.crop] = visible_change(image[region.crop], drawn[region.crop])
        return Rendered(drawn, alpha, details=details_of(region))

    @property
    def area(self) -> float:
        """Of the region, in units of the severity's."""
        return 1.0

    @abstractmethod
    def outline(self, rng: np.random.Generator) -> Outline:
        """Shape of the region."""

    @abstractmethod
    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        """The new pixels of the region's crop, (h, w, C) uint8."""


def details_of(region: Region) -> Mapping[str, Any]:
    return {"centre": [round(part) for part in region.centre], "area": round(region.scale**2)}
