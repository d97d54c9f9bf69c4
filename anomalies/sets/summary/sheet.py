"""Sheets of small images: a row per kind, a column per severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image

GAP, HEADER = 4, 22
LETTERS = 7.5
MARKED = (255, 140, 0)
BACKGROUND, INK = 255, 40
FONT, SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
Cells = Mapping[tuple[str, str], Image]


def sheet(cells: Cells, rows: Sequence[str], columns: Sequence[str], width: int = 256) -> Image:
    """Small images in a table with titles; missing ones stay empty.

    Args:
        cells: (row, column) to a (h, w, 3) or (h, w, 1) uint8 image.
        width: of the small images, in pixels; the first one's shape decides about their height.

    Raises:
        ValueError: no images.
    """
    if not cells:
        raise ValueError("there are no images to show")
    first = next(iter(cells.values()))
    height = max(8, round(width * first.shape[0] / first.shape[1]))
    margin = int(max(len(row) for row in rows) * LETTERS) + 2 * GAP
    step = np.array([height + GAP, width + GAP])
    size = np.array([HEADER, margin]) + step * (len(rows), len(columns))
    page = np.full((*size, 3), BACKGROUND, dtype=np.uint8)
    for j, column in enumerate(columns):
        _write(page, column, margin + j * step[1], HEADER - 7)
    for i, row in enumerate(rows):
        top = HEADER + i * step[0]
        _write(page, row, GAP, top + height // 2 + 4)
        for j, column in enumerate(columns):
            if (row, column) in cells:
                left = margin + j * step[1]
                page[top : top + height, left : left + width] = small(cells[row, column], (height, width))
    return page


def small(image: Image, shape: tuple[int, int]) -> Image:
    """(h, w, 3) thumbnail, averaged when smaller, in whole pixels when larger."""
    how = cv2.INTER_AREA if shape[1] <= image.shape[1] else cv2.INTER_NEAREST
    thumbnail = cv2.resize(image, shape[::-1], interpolation=how)
    return cv2.cvtColor(thumbnail, cv2.COLOR_GRAY2RGB) if thumbnail.ndim == 2 else thumbnail  # type: ignore[return-value]


def outlined(image: Image, mask: NDArray[np.uint8] | None, width: int) -> Image:
    """A thumbnail with the outline of what the mask calls anomalous."""
    shape = (max(8, round(width * image.shape[0] / image.shape[1])), width)
    thumbnail = np.ascontiguousarray(small(image, shape))
    if mask is not None:
        marked = cv2.resize((mask == 1).astype(np.uint8), shape[::-1], interpolation=cv2.INTER_AREA)
        contours, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(thumbnail, contours, -1, MARKED, 1)
    return thumbnail


def _write(page: Image, text: str, x: int, y: int) -> None:
    cv2.putText(page, text, (int(x), int(y)), FONT, SCALE, (INK,) * 3, 1, cv2.LINE_AA)
