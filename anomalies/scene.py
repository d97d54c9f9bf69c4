"""What is known about an image besides its pixels: labels, depth, horizon, camera height."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

VOID = 255
GROUND = (
    "road",
    "lanemarks",
    "sidewalk",
    "pavement",
    "curb",
    "parking",
    "terrain",
)
ROAD = ("road", "lanemarks", "parking")
SKY = ("sky",)
PEOPLE = ("person", "pedestrian", "rider", "bicyclist")


@dataclass(frozen=True)
class Scene:
    """Everything is optional; anomalies guess what is missing from the position in the image.

    Attributes:
        labels: (H, W) uint8 training ids, 255 void.
        classes: names of the training ids 0 to K-1.
        depth: (H, W) float32 distances in metres, 0 where unknown.
        horizon: row of the horizon as a fraction of the image height.
        camera_height: above the ground, in metres.
    """

    labels: NDArray[np.uint8] | None = None
    classes: tuple[str, ...] = ()
    depth: NDArray[np.float32] | None = None
    horizon: float = 0.42
    camera_height: float = 1.3

    def where(self, *names: str) -> NDArray[np.bool_] | None:
        """(H, W) pixels of the named classes; None when there are no labels or none of the classes."""
        wanted = [i for i, name in enumerate(self.classes) if name in names]
        if self.labels is None or not wanted:
            return None
        table = np.zeros(256, dtype=np.uint8)
        table[wanted] = 1
        return cv2.LUT(self.labels, table).view(np.bool_)

    @property
    def void(self) -> NDArray[np.bool_] | None:
        """(H, W) pixels without a class: ego vehicle, borders, unlabelled; None without labels."""
        return None if self.labels is None else self.labels == VOID

    def check(self, kind: str, shape: tuple[int, int]) -> None:
        """Raise ValueError where labels or depth are not of the image's (H, W)."""
        maps: dict[str, NDArray[Any] | None] = {"labels": self.labels, "depth": self.depth}
        for name, values in maps.items():
            if values is not None and values.shape != shape:
                raise ValueError(f"{kind}: {name} must have the image's shape {shape}, got {values.shape}")
