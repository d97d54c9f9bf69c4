"""A cut-out object with its outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from anomalies.toolkit.fields import blurred
from anomalies.toolkit.objects.placement import Outline


@dataclass(frozen=True)
class Cutout:
    """An object without its background.

    Attributes:
        rgba: (h, w, 4) uint8, not premultiplied; colours continue outside the outline.
        name: for the manifest.
        labels: (h, w) uint8 training ids that come with the object; None: it is unknown, 255.
        licence: of the picture, where it has one.
    """

    rgba: Image
    name: str
    labels: NDArray[np.uint8] | None = None
    licence: str = ""

    @classmethod
    def of(cls, rgba: Image, name: str, labels: Any = None, licence: str = "", turn: float = 0) -> Cutout:
        """Cut to its outline, turned by degrees, with the colours of its rim continued outwards."""
        opaque: Any = rgba[..., 3] >= 128
        near = opaque.astype(np.float32)
        colours = np.where(opaque[..., None], rgba[..., :3], 0).astype(np.float32)
        width = max(1.5, max(rgba.shape[:2]) / 64)
        spread = blurred(colours, width) / np.maximum(blurred(near, width), 1e-3)[..., None]
        everywhere = np.where(opaque[..., None], rgba[..., :3], spread.clip(0, 255)).astype(np.uint8)
        whole = np.dstack((everywhere, rgba[..., 3]))
        if turn:
            whole = turned(whole, turn, cv2.INTER_LINEAR)
            labels = None if labels is None else turned(labels, turn, cv2.INTER_NEAREST)
        rows, columns = (np.flatnonzero((whole[..., 3] >= 128).any(axis=axis)) for axis in (1, 0))
        at = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        return cls(np.ascontiguousarray(whole[at]), name, None if labels is None else labels[at], licence)

    @property
    def outline(self) -> Outline:
        """Its aspect and how much of its box it fills."""
        h, w = self.rgba.shape[:2]
        return Outline(w / h, float((self.rgba[..., 3] >= 128).mean()))


def turned(array: NDArray[Any], degrees: float, how: int) -> NDArray[Any]:
    h, w = array.shape[:2]
    matrix: Any = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), degrees, 1)
    c, s = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = round(h * s + w * c), round(h * c + w * s)
    matrix[:, 2] += (wide - w) / 2, (high - h) / 2
    turned: Any = cv2.warpAffine(array, matrix, (wide, high), flags=how)
    return turned
