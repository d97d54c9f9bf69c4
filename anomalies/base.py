"""The base class of all anomalies: parameters, rendering, results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.scene import VOID, Scene

Image = NDArray[np.uint8]
Map = NDArray[np.float32]
T = TypeVar("T")
UNKNOWN = Scene()

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
        labels: (H, W) uint8 training ids after the anomaly (warped with the image, 255 under an object); None
            where they stay as they were.
        instances: (H, W) uint16, 1, 2, ... per object; None where there are none to tell apart.
        soiling: (H, W) uint8, WoodScape's 0 clean, 1 transparent, 2 semi-transparent, 3 opaque; None for other
            families.
        details: what was drawn, for the manifest: {name: number, text or list of them}.
    """

    image: Image
    alpha: Map | None
    labels: NDArray[np.uint8] | None = None
    instances: NDArray[np.uint16] | None = None
    soiling: NDArray[np.uint8] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


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
        moves_pixels: whether what the image shows stands elsewhere afterwards, so that boxes are no longer right.
        objects: what is added: "new" objects of no known class, "own" ones copied from the image, or none ("").
        version: increased whenever the pixels change; part of recipe fingerprints.

    Raises:
        ValueError: severity out of range.
    """

    kind: ClassVar[str]
    family: ClassVar[str]
    level: ClassVar[Literal["image", "pixel"]]
    version: ClassVar[int] = 1
    moves_pixels: ClassVar[bool] = False
    objects: ClassVar[Literal["", "own", "new"]] = ""

    severity: int = 3

    def __post_init__(self) -> None:
        if type(self.severity) is not int or self.severity not in SEVERITIES:
            raise ValueError(f"{self.kind}: severity must be an integer from 1 to 5, got {self.severity!r}")

    def render(self, image: Image, rng: np.random.Generator, scene: Scene = UNKNOWN) -> Rendered:
        """Draw the anomaly on a copy of an image.

        Args:
            image: (H, W, 3) RGB or (H, W, 1) grey uint8, H and W at least 16.
            rng: the only source of randomness; see `anomalies.rng.generator`.
            scene: labels and depth, for kinds that depend on them.

        Returns:
            The new image, its alpha map if the level is "pixel", and further maps and details of the kind.

        Raises:
            ValueError: the image or a map has another type or shape.
        """
        _check(self.kind, image)
        scene.check(self.kind, (image.shape[0], image.shape[1]))
        rendered = self.draw(np.ascontiguousarray(image), rng, scene)
        return replace(rendered, image=rendered.image.reshape(image.shape))

    @abstractmethod
    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        """`render` on checked input. Must not modify the image, and must draw the same random numbers at
        every severity.
        """

    def of(self, table: Sequence[T]) -> T:
        """This severity's entry of a table of five."""
        return table[self.severity - 1]


def mask(alpha: Map, scene: Scene = UNKNOWN) -> Image:
    """Pixel labels from an alpha map, in the convention of SegmentMeIfYouCan and Fishyscapes.

    Args:
        alpha: (H, W) in [0, 1].
        scene: its void is to be ignored where it is not anomalous.

    Returns:
        (H, W) uint8: 1 anomalous (alpha >= 0.5), 255 to be ignored (0.05 <= alpha < 0.5, void), 0 not anomalous.
    """
    labels: Any = compared(alpha, cv2.CMP_GE, IGNORED)
    if scene.labels is not None:
        labels = cv2.bitwise_or(labels, compared(scene.labels, cv2.CMP_EQ, VOID))
    # 255 & 1 is 1 where it is anomalous, elsewhere 255 keeps what is there.
    marked: Any = cv2.bitwise_and(labels, compared(alpha, cv2.CMP_LT, ANOMALOUS) | np.uint8(1))
    return marked


def compared(values: NDArray[Any], how: int, bound: float) -> Image:
    """(h, w) 255 where a comparison, ``cv2.CMP_...``, with a bound in float32 holds, else 0."""
    limit: Any = float(np.float32(bound))
    where: Any = cv2.compare(values, limit, how)
    return where


def _check(kind: str, image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"{kind}: image must be a numpy array of uint8 (0 to 255), got {found}")
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"{kind}: image must have shape (H, W, 3) or (H, W, 1), got {image.shape}")
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"{kind}: image must be at least {SMALLEST}x{SMALLEST} pixels, got {image.shape[:2]}"
        )
