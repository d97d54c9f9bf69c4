"""Images of 8 to 14 bits in files of 16: reading keeps the upper 8 bits of 16, so that they come out too dark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2

from lsood.images.headers import header_of
from lsood.images.reading import content_of, decoded
from lsood.io import log
from lsood.text import shown

DEPTHS = (8, 10, 12, 14)
LOOKED_AT = 8
_SUFFIXES = (".png", ".tif", ".tiff", ".ppm")


def warn_of_depth(name: str, files: Sequence[Path]) -> None:
    """A warning, once per process, where the 16-bit files of a set hold values of fewer bits, seen in at most 8 files.
    Files that cannot be read are left to the reading.

    Args:
        name: of the set. files: its images.
    """
    able = [path for path in files if path.suffix.lower() in _SUFFIXES]
    deep = [path for path in able[:: -(-len(able) // LOOKED_AT) or 1] if _is_deep(path)]
    largest = max(map(_largest, deep), default=0)
    bits = next((bits for bits in DEPTHS if 0 < largest < 2**bits), None)
    if bits is not None:
        _warn_once(name, shown(deep[0]), bits)


def _is_deep(path: Path) -> bool:
    try:
        return header_of(path).bits == 16
    except (OSError, ValueError):
        return False


def _largest(path: Path) -> int:
    try:
        return int(decoded(path, content_of(path)[0], cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH).max())
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=256)
def _warn_once(name: str, example: str, bits: int) -> None:
    log.warning(
        "%s: 16-bit files such as %s hold values of %d bits: their images come out %d times too dark; multiply "
        "the values by %d",
        name, example, bits, 2 ** (16 - bits), 2 ** (16 - bits),
    )  # fmt: skip
