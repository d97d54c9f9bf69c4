"""Whether a set's files are whole, as cheaply as can be told: by their size, first and last bytes.

A file that was cut, emptied, or that a crash left as zeros is found without being read; one that holds other pixels
of the same size only by ``python -m anomalies.verify``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomalies.sets.manifest import COLUMNS

PATHS = tuple(
    name for name in COLUMNS if name.endswith("_path") and name not in ("source_path", "clean_path")
)
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
SIZE = 12


def whole(out: Path, record: Mapping[str, Any]) -> bool:
    """Whether every file of a record is there, of the size that was written, and begins and ends as its format does.

    Records that were written before sizes were kept are judged by the rest.
    """
    sizes = record.get("file_bytes") or {}
    return all(
        _whole(out / str(record[name]), sizes.get(name.removesuffix("_path")))
        for name in PATHS
        if record.get(name) is not None
    )


def whole_array(path: Path, records: int, shape: tuple[int, ...]) -> bool:
    """Whether a .npy file of images of uint8 has the size that its content needs."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return found.shape == (records, *shape) and found.dtype == np.uint8


def _whole(path: Path, size: int | None) -> bool:
    try:
        with path.open("rb") as file:
            there = os.fstat(file.fileno()).st_size
            if there < 2 * SIZE or (size is not None and there != size):
                return False
            start = file.read(SIZE)
            file.seek(-SIZE, os.SEEK_END)
            end = file.read(SIZE)
    except OSError:
        return False
    if path.suffix == ".png":
        return start.startswith(PNG_START) and end == PNG_END
    if path.suffix == ".jpg":
        return start.startswith(JPEG_START) and end.endswith(JPEG_END)
    length = int.from_bytes(start[4:8], "little") + 8
    return start[:4] == b"RIFF" and start[8:] == b"WEBP" and there == length
