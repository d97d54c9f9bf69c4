"""The first directory of a TIFF or BigTIFF file."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

ORIENTATION = 274
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_PLACES = {273: 279, 324: 325}
"""Tags of the offsets of strips and tiles, and of their lengths."""
_MOST = 2**20


def tags_of(file: BinaryIO) -> tuple[dict[int, int], int, tuple[int, str] | None]:
    """The first value of every integer tag, the end of the last strip or tile in bytes, and where the orientation
    stands: offset and format for `struct`.

    Raises:
        struct.error: the file ends before its directory does.
    """
    file.seek(0)
    start = file.read(8)
    order, big = "<" if start[:2] == b"II" else ">", 43 in start[2:4]
    long, count_code, entry_size, place = ("Q", "Q", 20, 12) if big else ("I", "H", 12, 8)
    (at,) = struct.unpack(f"{order}{long}", file.read(8) if big else start[4:8])
    file.seek(at)
    (count,) = struct.unpack(f"{order}{count_code}", file.read(struct.calcsize(count_code)))
    first = file.tell()
    directory = file.read(entry_size * min(count, 4096))
    if len(directory) < entry_size * min(count, 4096):
        raise struct.error("its directory is cut")
    found: dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}
    orientation = None
    for i in range(0, len(directory) - entry_size + 1, entry_size):
        entry = directory[i : i + entry_size]
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        number = _NUMBERS.get(kind)
        (values,) = struct.unpack(f"{order}{long}", entry[4:place])
        if number is None or values == 0:
            continue
        raw = entry[place:]
        length = min(values, _MOST if tag in (*_PLACES, *_PLACES.values()) else 1) * struct.calcsize(number)
        if values * struct.calcsize(number) > len(raw):
            (where,) = struct.unpack(f"{order}{long}", raw)
            file.seek(where)
            raw = file.read(length)
        if len(raw) < length:
            raise struct.error("a value lies beyond its end")
        found[tag] = np.frombuffer(raw[:length], f"{order}{np.dtype(number).str[1:]}").astype(np.uint64)
        if tag == ORIENTATION:
            orientation = first + i + place, f"{order}{number}"
    return {tag: int(values[0]) for tag, values in found.items()}, _end(found), orientation


def _end(found: dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]]) -> int:
    return max(
        (
            int((found[offsets] + found[lengths]).max())
            for offsets, lengths in _PLACES.items()
            if offsets in found and lengths in found and len(found[offsets]) == len(found[lengths])
        ),
        default=0,
    )
