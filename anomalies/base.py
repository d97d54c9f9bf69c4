"""What every anomaly has in common: its parameters, how it is rendered, what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Map = NDArray[np.float32]
T = TypeVar("T")

SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 16
ANOMALOUS, IGNORED = 0.5, 0.05


@dataclass(frozen=True)
class Rendered:
    """An image with an anomaly.

    Attributes:
        image: uint8, shape of the input.
        alpha: (H, W) float32 in [0, 1], where and how strongly the image was changed; None for anomalies of
            the whole image.
    """

    image: Image
    alpha: Map | None


@dataclass(frozen=True)
class Anomaly(ABC):
    """An anomaly with its parameters; subclasses are frozen dataclasses that implement `draw`.

    All sizes are fractions of the image height, so one table of severities serves 32x32 and 2048x1024.

    Args:
        severity: 1 to 5, the size of the deviation. With the same random numbers it grows strictly.

    Attributes:
        kind: name in recipes and manifests.
        family: kinds with a common cause: "soiling", "weather", "lighting", ...
        level: "pixel" where ``Rendered.alpha`` tells which pixels are anomalous, "image" where all are.
        version: to be raised whenever the pixels change; recipes have it in their fingerprint.

    Raises:
        ValueError: severity out of range.
    """

    kind: ClassVar[str]
    family: ClassVar[str]
    level: ClassVar[Literal["image", "pixel"]]
    version: ClassVar[int] = 1

    severity: int = 3

    def __post_init__(self) -> None:
        if type(self.severity) is not int or self.severity not in SEVERITIES:
            raise ValueError(f"{self.kind}: severity must be an integer from 1 to 5, got {self.severity!r}")

    def render(self, image: Image, rng: np.random.Generator, labels: NDArray[Any] | None = None) -> Rendered:
        """Draw the anomaly on a copy of an image.

        Args:
            image: (H, W, 3) RGB or (H, W, 1) grey uint8, H and W at least 16.
            rng: the only source of randomness; see `anomalies.rng.generator`.
            labels: (H, W) training ids, for kinds that depend on the scene.

        Returns:
            The new image, and its alpha map if the level is "pixel".

        Raises:
            ValueError: an image or labels of another type or shape.
        """
        _check(self.kind, image, labels)
        rendered = self.draw(np.ascontiguousarray(image), rng, labels)
        return Rendered(rendered.image.reshape(image.shape), rendered.alpha)

    @abstractmethod
    def draw(self, image: Image, rng: np.random.Generator, labels: NDArray[Any] | None) -> Rendered:
        """`render` on checked input. Must not write to the image, and must take the same random numbers
        whatever the severity.
        """

    def of(self, table: Sequence[T]) -> T:
        """This severity's entry of a table of five."""
        return table[self.severity - 1]


@dataclass(frozen=True)
class Identity(Anomaly):
    """No anomaly: the pixels of the input, for controls. The severity has no effect."""

    kind = "identity"
    family = "control"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, labels: NDArray[Any] | None) -> Rendered:
        return Rendered(image.copy(), np.zeros(image.shape[:2], dtype=np.float32))


def mask(alpha: Map) -> Image:
    """Pixel labels from an alpha map, in the convention of SegmentMeIfYouCan and Fishyscapes.

    Args:
        alpha: (H, W) in [0, 1].

    Returns:
        (H, W) uint8: 1 anomalous (alpha >= 0.5), 255 to be ignored (0.05 <= alpha < 0.5), 0 not anomalous.
    """
    labels = (alpha >= IGNORED).astype(np.uint8) * np.uint8(255)
    labels[alpha >= ANOMALOUS] = 1
    return labels


def _check(kind: str, image: Image, labels: NDArray[Any] | None) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"{kind}: image must be a numpy array of uint8 (0 to 255), got {found}")
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"{kind}: image must have shape (H, W, 3) or (H, W, 1), got {image.shape}")
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"{kind}: image must be at least {SMALLEST}x{SMALLEST} pixels, got {image.shape[:2]}"
        )
    if labels is not None and labels.shape != image.shape[:2]:
        raise ValueError(f"{kind}: labels must have the image's shape {image.shape[:2]}, got {labels.shape}")
