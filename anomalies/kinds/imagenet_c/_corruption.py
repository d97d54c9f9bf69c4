"""What the corruptions of ImageNet-C have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene

PUBLISHED = ("auto", "imagenet", "cifar")
CIFAR_BELOW = 64
JUST_ABOVE = 1e-3


@dataclass(frozen=True)
class Corruption(Anomaly):
    """A corruption of ImageNet-C; subclasses have its constants and its formula.

    Args:
        constants: "imagenet" (published for 224 x 224), "cifar" (32 x 32), or "auto": "cifar" for images with a side
            below 64 pixels, else "imagenet".

    Raises:
        ValueError: unknown constants.
    """

    family = "imagenet-c"
    level = "image"

    IMAGENET: ClassVar[Sequence[Any]]
    CIFAR: ClassVar[Sequence[Any]]

    constants: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.constants not in PUBLISHED:
            raise ValueError(
                f"{self.kind}: constants must be one of {', '.join(PUBLISHED)}, got {self.constants!r}"
            )

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        small = self.constants == "cifar" or (self.constants == "auto" and min(image.shape[:2]) < CIFAR_BELOW)
        colour = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
        drawn = self.corrupted(colour, self.of(self.CIFAR if small else self.IMAGENET), rng)
        if image.shape[2] == 1:
            grey: Any = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)
            drawn = grey[..., None]
        return Rendered(drawn, None)

    @abstractmethod
    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        """The corruption of an (H, W, 3) image with this severity's constants."""


def truncated(values: NDArray[Any]) -> Image:
    """uint8 as the original makes them: cut off, not rounded. Exact whole numbers survive float32."""
    return np.clip(values + np.float32(JUST_ABOVE), 0, 255).astype(np.uint8)
