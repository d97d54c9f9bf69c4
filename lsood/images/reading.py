"""Image files to arrays, for every command; errors name the file and the defect in one line."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lsood.images.headers import PNG_SIGNATURE, Header, header_of
from lsood.images.messages import POSIX, told
from lsood.images.orientation import as_stored, turned

cv2.setNumThreads(0)
LOG_LEVEL = cv2.utils.logging.LOG_LEVEL_ERROR if POSIX else cv2.utils.logging.LOG_LEVEL_SILENT

Image = NDArray[np.uint8]


def read_image(path: Path, stored: bool = False) -> Image:
    """An image file as (H, W, 3) uint8 RGB; grey, palette, 16-bit and RGBA files are converted.

    Args:
        stored: the pixels as they are stored, whatever orientation EXIF notes: what labels are drawn on.

    Raises:
        FileNotFoundError: no such file. ValueError: truncated, damaged or unreadable, more pixels than
            `lsood.images.headers.LARGEST`, channels beside colours and alpha, or a TIFF file with an orientation
            where stored pixels are asked for.
    """
    return read_with_header(path, stored)[0]


def read_with_header(path: Path, stored: bool = False) -> tuple[Image, Header]:
    """As `read_image`, and the file's header."""
    data, header = content_of(path)
    tiff = header.kind == "TIFF"
    if stored:
        refuse_turned_tiff(path, header)
    flags = cv2.IMREAD_COLOR
    if stored and header.orientation != 1:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    image: Any = cv2.cvtColor(decoded(path, data, flags), cv2.COLOR_BGR2RGB)
    return (turned(image, header.orientation) if tiff and header.orientation != 1 else image), header


def refuse_turned_tiff(path: Path, header: Header) -> None:
    """Raise ValueError for a TIFF file with an orientation that has labels: some tools turn it when reading, others do
    not.

    Args:
        header: of the file.
    """
    if header.kind == "TIFF" and header.orientation != 1:
        raise ValueError(
            f"{path} is a TIFF file with orientation {header.orientation}, and has labels: which pixels they "
            "belong to is not known; save it as PNG in the orientation of its labels"
        )


def image_shape(path: Path, stored: bool = False) -> tuple[int, int]:
    """(H, W) of what `read_image` returns, from the file's header.

    Raises:
        FileNotFoundError: no such file. ValueError: see `lsood.images.headers.header_of`.
    """
    return header_of(path).shape(stored)


def content_of(path: Path) -> tuple[NDArray[np.uint8], Header]:
    """A file's bytes, of a TIFF file without its orientation, and the header of the image they hold.

    Raises:
        FileNotFoundError: no such file. ValueError: see `lsood.images.headers.header_of`; also a chunk of a PNG file
            with a wrong checksum, of which libpng tells on stderr alone.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    data = np.fromfile(path, dtype=np.uint8)
    header = header_of(path, data.tobytes())
    if header.kind == "PNG":
        _check_sums(path, data)
    return as_stored(data, header), header


def _check_sums(path: Path, content: NDArray[np.uint8]) -> None:
    data, at, name = content.data, len(PNG_SIGNATURE), b""
    while name != b"IEND":
        (length,), name = struct.unpack_from(">I", data, at), bytes(data[at + 4 : at + 8])
        end = at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"{path} is damaged: wrong checksum of its {name.decode('latin-1')} chunk")
        at = end + 4


def decoded(path: Path, data: NDArray[np.uint8], flags: int) -> NDArray[Any]:
    """The pixels of a file's content, as OpenCV gives them.

    Raises:
        ValueError: truncated or unreadable.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(LOG_LEVEL)
    try:
        with told(path):
            image = cv2.imdecode(data, flags)
            if image is None:
                raise ValueError("no image")
    except (cv2.error, ValueError):
        reason = "truncated, damaged or of an unknown format"
        raise ValueError(f"{path} cannot be read as an image: {reason}") from None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return image
