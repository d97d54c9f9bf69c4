"""Clean images of the user: files in which an anomaly can be drawn."""

from __future__ import annotations

from pathlib import Path

from anomalies.base import SMALLEST, Image
from lsood.images.reading import read_with_header


def read_image(path: Path) -> tuple[Image, tuple[str, ...]]:
    """An image file as `lsood.images.reading.read_image` reads it, and what had to be converted.

    Raises:
        FileNotFoundError, ValueError: as there; also smaller than 16x16.
    """
    image, header = read_with_header(path)
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"{path} is {header.width}x{header.height}; images must be at least {SMALLEST}x{SMALLEST} pixels"
        )
    return image, header.conversions
