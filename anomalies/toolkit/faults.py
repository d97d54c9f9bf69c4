"""What faults of sensor and transmission share: counts, visible substitutes, faults in colour."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.light import brightest_channel, luma

VISIBLE = 3
SMALL = 128 * 128
NEARLY_ALL = 0.97


def mixture(changed: Image, image: Image, share: float) -> Image:
    """share x changed + (1 - share) x image."""
    mixed: Any = cv2.addWeighted(
        np.ascontiguousarray(changed), share, np.ascontiguousarray(image), 1 - share, 0
    )
    return mixed.reshape(image.shape)


def by_row(image: Image, tables: NDArray[Any]) -> Image:
    """Every level of row y replaced by its entry in ``tables[y]``; tables (H, 256), 0 to 255 or clipped."""
    levels = np.rint(tables).clip(0, 255).astype(np.uint8)
    drawn = np.empty_like(image)
    for row, table in enumerate(levels):
        changed: Any = cv2.LUT(image[row : row + 1], table)
        drawn[row : row + 1] = changed.reshape(1, *image.shape[1:])
    return drawn


def amount(severity: int, shares: Sequence[float], total: float, step: int = 1) -> int:
    """A severity's share of a total as a whole number, at least ``step`` more than the severity below: small
    images have few pixels, but still five severities.
    """
    number = 0
    for share in shares[:severity]:
        number = max(number + step, round(share * total))
    return number


def replaced(image: Image, drawn: Image) -> tuple[Image, Map]:
    """What was drawn where it can be seen (3 levels or more in some channel), the image elsewhere.

    Returns:
        The image, and alpha (H, W) float32: 1 where it was replaced, else 0.
    """
    difference: Any = cv2.absdiff(image, drawn)
    change = brightest_channel(difference.reshape(image.shape))
    seen: Any = cv2.threshold(change, VISIBLE - 1, 255, cv2.THRESH_BINARY)[1]
    result = image.copy()
    cv2.copyTo(drawn.reshape(image.shape), seen, result)
    return result, seen.astype(np.float32) / np.float32(255)


def visible(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.bool_]:
    """(h, w) pixels whose brightness differs by 3 levels or more; both (h, w, C) uint8."""
    seen: NDArray[np.bool_] = np.abs(luma(old) - luma(new)) >= VISIBLE
    return seen


def best(old: NDArray[Any], candidates: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The first of the candidates that nearly all pixels can be told from, else the one that most can."""
    shares = [0.0]
    for candidate in candidates:
        shares.append(float(visible(old, candidate).mean()))
        if shares[-1] >= NEARLY_ALL:
            return candidate
    return candidates[int(np.argmax(shares[1:]))]


def stronger(image: Image, draw: Callable[[float], Image], choices: Sequence[Iterable[float]]) -> Image:
    """What `draw` makes of the last of the choices: for each of them in turn the first whose mean error is larger
    than that of the choice before.

    Compression of a few pixels is a matter of luck; this makes five severities of it all the same.

    Args:
        image: uint8. draw: from a setting to an image of its shape. choices: settings per severity.
    """
    drawn, error = image, 0.0
    for settings in choices:
        least = error
        for setting in settings:
            drawn = draw(setting)
            error = float(np.abs(drawn.astype(np.int16) - image).mean())
            if error > least:
                break
    return drawn


def flat(level: float | Sequence[float] | NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """A uint8 array of one level or colour, in the shape of another."""
    area = np.empty(like.shape, dtype=np.uint8)
    area[:] = np.asarray(level, dtype=np.uint8)
    return area


@dataclass(frozen=True)
class InColour(Anomaly):
    """A kind that acts on red, green and blue apart. A grey image gets the brightness of what it would get as
    a colour image with three equal channels.
    """

    @abstractmethod
    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        """(H, W, 3) with the fault, from (H, W, 3) RGB, which must not be written to."""

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        if image.shape[2] == 3:
            drawn = self.faulty(image, rng)
        else:
            colour: Any = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
            grey: Any = cv2.cvtColor(self.faulty(colour, rng), cv2.COLOR_RGB2GRAY)
            drawn = grey[..., None]
        if self.level == "image":
            return Rendered(drawn, None)
        return Rendered(*replaced(image, drawn))
