"""TIFF files with a turned camera: OpenCV turns some of them, spoils grey ones and refuses others, by their depth."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSIC, BIG = 42, 43
ORIENTATION, SHORT = 274, 3


def without_orientation(data: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """A TIFF file's bytes with the orientation of its first image set to 1, and what it was; other files as they are,
    with 1.
    """
    at = _place(data[:16].tobytes(), data)
    if at is None:
        return data, 1
    order = "<" if data[0] == ord("I") else ">"
    (found,) = struct.unpack(f"{order}H", data[at : at + 2].tobytes())
    if not 2 <= found <= 8:
        return data, 1
    changed = data.copy()
    changed[at : at + 2] = np.frombuffer(struct.pack(f"{order}H", 1), dtype=np.uint8)
    return changed, found


def turned(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An image as EXIF's orientation (1 to 8) says that it is to be seen."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _place(start: bytes, data: NDArray[np.uint8]) -> int | None:
    """Offset of the orientation's value; None where there is none, or no TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 16:
        return None
    (version,) = struct.unpack_from(f"{order}H", start, 2)
    if version not in (CLASSIC, BIG):
        return None
    big = version == BIG
    (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", start, 8 if big else 4)
    head, size, value = (8, 20, 12) if big else (2, 12, 8)
    if at + head > len(data):
        return None
    (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", data[at : at + head].tobytes())
    for entry in range(at + head, min(at + head + count * size, len(data) - size + 1), size):
        tag, kind = struct.unpack(f"{order}HH", data[entry : entry + 4].tobytes())
        if (tag, kind) == (ORIENTATION, SHORT):
            return entry + value
    return None
