"""TIFF files with a turned camera: OpenCV turns some of them, spoils grey ones and refuses others, by their depth."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsood.images.headers import Header


def as_stored(data: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    """A TIFF file's bytes with the orientation of its first image set to 1; other files as they are."""
    if header.place is None or header.orientation == 1:
        return data
    at, code = header.place
    changed = data.copy()
    one = struct.pack(code, 1)
    changed[at : at + len(one)] = np.frombuffer(one, dtype=np.uint8)
    return changed


def turned(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An image as EXIF's orientation (1 to 8) says that it is to be seen."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
