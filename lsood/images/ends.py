"""Whether an image file is all there, seen from its structure: a decoder needs a hundred times as long. Bytes after the
end do not matter. PNG and TIFF files are looked at with their headers.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import BinaryIO

from PIL import Image as Pillow

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker of a JPEG file; in its compressed data these bytes stand for nothing else."""


def truncated(path: Path) -> ValueError:
    """The error for a file that ends too early."""
    return ValueError(f"{path} is truncated: its end is missing; copy or download it again")


def check_end(file: BinaryIO, image: Pillow.Image, path: Path) -> None:
    """Raise ValueError if a file ends before its image does.

    Args:
        image: the file, opened by Pillow and not decoded.
    """
    size = file.seek(0, io.SEEK_END)
    if image.format in ("JPEG", "MPO"):
        whole = _jpeg(file, size)
    elif image.format == "WEBP":
        file.seek(4)
        whole = size >= 8 + int.from_bytes(file.read(4), "little")
    else:
        whole = size >= _least(image)
    if not whole:
        raise truncated(path)


def _jpeg(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - len(_END)))
    if file.read() == _END:
        return True
    file.seek(0)
    data, at = file.read(), 2
    while match := _MARKER.search(data, at):
        if match[0] == _END:
            return True
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    return False


def _least(image: Pillow.Image) -> int:
    """Bytes that a BMP or PPM file of uncompressed rows must have; 0: of another form."""
    if image.format not in ("BMP", "PPM") or len(image.tile) != 1:  # type: ignore[attr-defined]
        return 0
    decoder, _, offset, arguments = image.tile[0]  # type: ignore[attr-defined]
    if image.format == "BMP" and decoder == "raw":
        return int(offset + arguments[1] * image.height)
    if image.format == "PPM" and decoder in ("raw", "ppm") and image.mode in ("L", "RGB", "I"):
        size = 2 if largest_value(image) > 255 else 1
        return int(offset + image.width * image.height * len(image.getbands()) * size)
    return 0


def largest_value(image: Pillow.Image) -> int:
    """What a PPM file states as its largest value."""
    arguments = image.tile[0][3]  # type: ignore[attr-defined]
    return int(arguments[-1]) if isinstance(arguments, tuple) and isinstance(arguments[-1], int) else 255
