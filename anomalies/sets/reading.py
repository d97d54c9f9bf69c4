"""Image files as arrays, checked for damage, size and bit depth."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from anomalies.base import SMALLEST, Image
from anomalies.sets.orientation import turned, without_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 2**26
"""Pixels of the largest image that is decoded."""
FROM_16_BITS = "converted from 16 bits to 8"


def read_image(path: Path) -> tuple[Image, tuple[str, ...]]:
    """An image file as (H, W, 3) uint8 RGB, turned as its orientation says, and what had to be converted.

    Raises:
        ValueError: unreadable, truncated, smaller than 16x16 or larger than 64 megapixels.
    """
    notes = _header(path)
    data = np.fromfile(path, dtype=np.uint8)
    if data[:8].tobytes() == SIGNATURE:
        check_png(path, data)
        notes = (FROM_16_BITS,) if data[24] == 16 else notes  # of colour images Pillow does not tell
    data, orientation = without_orientation(data)
    image = _decoded(data)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image: damaged or of an unknown format")
    rgb: Any = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return turned(rgb, orientation) if orientation != 1 else rgb, notes


def _decoded(data: NDArray[np.uint8]) -> Any:
    # OpenCV says what it finds on stderr, where it would tear the progress bar; the caller says it in one line.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def check_png(path: Path, content: NDArray[np.uint8]) -> None:
    """Look at all chunks of a PNG file; what follows the last one does not matter.

    Raises:
        ValueError: a chunk is cut off or its checksum wrong; libpng would say so on stderr, and go on.
    """
    data = content.data
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        if at + 12 > len(data):
            raise ValueError(f"{path} is truncated")
        (length,), name = struct.unpack_from(">I", data, at), bytes(data[at + 4 : at + 8])
        end = at + 8 + length
        if end + 4 > len(data):
            raise ValueError(f"{path} is truncated")
        if zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"{path} is damaged: wrong checksum of its {name.decode('latin-1')} chunk")
        at = end + 4


def _header(path: Path) -> tuple[str, ...]:
    width, height, mode = size_of(path)
    if min(width, height) < SMALLEST:
        raise ValueError(f"{path} is {width}x{height}; images must be at least {SMALLEST}x{SMALLEST} pixels")
    if mode.startswith("I"):
        return (FROM_16_BITS,)
    if mode in ("RGBA", "LA", "PA", "CMYK", "P"):
        return (f"converted from {mode} to RGB",)
    return ()


def size_of(path: Path) -> tuple[int, int, str]:
    """(width, height, mode of Pillow) of an image file, from its header.

    Raises:
        ValueError: not there, no image, or larger than 64 megapixels.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist")
    largest, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        with Pillow.open(path) as header:
            (width, height), mode = header.size, header.mode
    except PermissionError:
        raise
    except (OSError, SyntaxError, ValueError):
        raise ValueError(f"{path} cannot be read as an image: damaged or of an unknown format") from None
    finally:
        Pillow.MAX_IMAGE_PIXELS = largest
    if width * height > LARGEST:
        raise ValueError(f"{path} is {width}x{height}; images may have at most {LARGEST >> 20} megapixels")
    return width, height, mode
