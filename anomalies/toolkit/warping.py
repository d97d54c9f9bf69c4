"""Moving pixels: image and labels resampled through the same coordinate map."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.scene import VOID
from anomalies.toolkit.fields import Shape

Maps = tuple[Map, Map]


def warp(
    image: Image, labels: NDArray[np.uint8] | None, maps: Maps
) -> tuple[Image, NDArray[np.uint8] | None]:
    """Image and labels as seen through a map.

    Args:
        image: (H, W, C) uint8. labels: (H, W) uint8 or None.
        maps: columns and rows of the source, (H, W) float32 in pixels, for each pixel of the result.

    Returns:
        The image, bicubic, continued by reflection; the labels, nearest neighbour, 255 outside.
    """
    seen: Any = cv2.remap(image, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if labels is None:
        return seen.reshape(image.shape), None
    moved: Any = cv2.remap(labels, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID)
    return seen.reshape(image.shape), moved


def centred(shape: Shape) -> Maps:
    """Coordinates of the pixels' centres about the image's, in fractions of H: (1, W) and (H, 1)."""
    h, w = shape
    x = (np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2)) / np.float32(h)
    y = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2)) / np.float32(h)
    return x[None, :], y[:, None]


def in_pixels(x: NDArray[Any], y: NDArray[Any], shape: Shape) -> Maps:
    """Columns and rows from centred fractions of H, each (H, W) float32."""
    h, w = shape
    columns = x.astype(np.float32) * np.float32(h) + np.float32((w - 1) / 2)
    rows = y.astype(np.float32) * np.float32(h) + np.float32((h - 1) / 2)
    everywhere = [np.ascontiguousarray(np.broadcast_to(part, shape)) for part in (columns, rows)]
    return everywhere[0], everywhere[1]
