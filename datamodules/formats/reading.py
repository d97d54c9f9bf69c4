"""Image files to arrays; errors name the file and the defect in one line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.formats.headers import Header, header_of
from lsood.io import log

cv2.setNumThreads(0)

Image = NDArray[np.uint8]


def decoded(path: Path, data: NDArray[np.uint8], flags: int) -> NDArray[Any]:
    """The pixels of a file's content, as OpenCV gives them.

    Raises:
        ValueError: truncated or unreadable.
    """
    # OpenCV's messages on stderr would tear the progress bar; the error here says it in one line.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error:
        image = None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image: truncated, damaged or of an unknown format")
    return image


def content_of(path: Path) -> tuple[NDArray[np.uint8], Header]:
    """A file's bytes, and the header of the image they hold.

    Raises:
        FileNotFoundError: no such file. ValueError: see `datamodules.formats.headers.header_of`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    data = np.fromfile(path, dtype=np.uint8)
    return data, header_of(path, data.tobytes())


def read_image(path: Path, stored: bool = False) -> Image:
    """An image file as (H, W, 3) uint8 RGB; grey, palette, 16-bit and RGBA files are converted.

    Args:
        stored: the pixels as they are stored, whatever orientation EXIF notes: what labels are drawn on.

    Raises:
        FileNotFoundError: no such file. ValueError: truncated or unreadable, more pixels than
            `datamodules.formats.headers.LARGEST`, channels beside colours and alpha, or a TIFF file with an
            orientation where stored pixels are asked for.
    """
    data, header = content_of(path)
    flags = cv2.IMREAD_COLOR
    if stored and header.orientation != 1:
        if header.kind == "TIFF":
            raise ValueError(
                f"{path} is a TIFF file with orientation {header.orientation}, and has labels: which pixels they "
                "belong to is not known; save it as PNG in the orientation of its labels"
            )
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    image = decoded(path, data, flags)
    if header.bits == 16:
        _check_depth(path, data)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def _check_depth(path: Path, data: NDArray[np.uint8]) -> None:
    """A warning where the values of a 16-bit file fill fewer bits: 8 bits are the upper half of all 16."""
    largest = int(decoded(path, data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH).max())
    if 2**8 <= largest < 2**14:
        _warn_of_depth(path.parent, path.name, largest.bit_length())


@lru_cache(maxsize=256)
def _known(folder: Path) -> list[str]:
    return []


def _warn_of_depth(folder: Path, name: str, bits: int) -> None:
    """Once per folder and process."""
    if not _known(folder):
        log.warning(
            "%s is a 16-bit file whose values fill %d bits: its image comes out %d times too dark; multiply "
            "the values by %d (said once per folder)",
            folder / name, bits, 2 ** (16 - bits), 2 ** (16 - bits),
        )  # fmt: skip
        _known(folder).append(name)


def image_shape(path: Path, stored: bool = False) -> tuple[int, int]:
    """(H, W) of what `read_image` returns, from the file's header.

    Raises:
        FileNotFoundError: no such file. ValueError: see `datamodules.formats.headers.header_of`.
    """
    return header_of(path).shape(stored)
