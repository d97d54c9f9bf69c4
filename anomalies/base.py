"""The contract of an anomaly: an image in, a changed image and where it changed out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Rendered:
    """What an anomaly made of an image.

    Attributes:
        image: uint8, the input's shape.
        alpha: (H, W) float32 in [0, 1], how strongly each pixel is anomalous; None for a global (image-level)
            anomaly.
    """

    image: Image
    alpha: Field | None


@dataclass(frozen=True)
class Anomaly(ABC):
    """One kind of anomaly at one severity. Subclasses are frozen dataclasses; lengths are fractions of the
    image height.

    Attributes:
        severity: 1 to 5, size of the deviation; mean change grows strictly with it for the same random
            numbers.
        kind: name. family: the file it belongs to. level: "pixel" when the mask is meaningful, else "image".

    Raises:
        ValueError: a severity that is not 1 to 5.
    """

    severity: int = 3
    kind: ClassVar[str]
    family: ClassVar[str]
    level: ClassVar[str]

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be 1 to 5, got {self.severity!r}")

    @abstractmethod
    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        """(H, W, 3) float32 RGB in [0, 1] -> changed image of the same kind, and alpha (H, W) or None."""

    def render(self, image: Image, random: np.random.Generator, labels: Image | None = None) -> Rendered:
        """Draw the anomaly on a copy of the image.

        Args:
            image: (H, W, 3) RGB or (H, W, 1) grey, uint8, at least 8 x 8; not modified.
            random: all randomness, see `anomalies.rng.generator`.
            labels: (H, W) uint8 training ids, for kinds that know the scene; the kinds of this release do not
                look at them.

        Raises:
            ValueError: an image of another shape or type.
        """
        if (
            image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] not in (1, 3)
            or min(image.shape[:2]) < 8
        ):
            raise ValueError(
                f"{self.kind}: image must be (H, W, 3) or (H, W, 1) uint8 of at least 8x8, "
                f"got {image.shape} {image.dtype}"
            )
        scene = np.multiply(image, np.float32(1 / 255), dtype=np.float32)
        changed, alpha = self.draw(np.repeat(scene, 3, axis=2) if image.shape[2] == 1 else scene, random)
        if image.shape[2] == 1:
            changed = changed @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32)
        pixels = np.clip(changed * 255 + 0.5, 0, 255).astype(np.uint8)
        if alpha is not None:
            pixels = np.where(alpha[..., None] > 0, pixels, image)
        return Rendered(pixels, alpha)


@dataclass(frozen=True)
class Identity(Anomaly):
    """No anomaly at all: the control. A detector that tells it from clean images has found an artefact."""

    kind: ClassVar[str] = "identity"
    family: ClassVar[str] = "control"
    level: ClassVar[str] = "image"

    def draw(self, image: Field, random: np.random.Generator) -> tuple[Field, Field | None]:
        return image, None
