"""A user's folder of RGBA pictures with their licences."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.sets.records import stays_inside
from anomalies.yaml_text import read_yaml
from lsood.images.reading import content_of, decoded

INDEX = "index.yaml"


def collection(folder: str) -> tuple[tuple[Path, str, str], ...]:
    """Pictures, names and licences of a folder with RGBA PNG files and an index.

    ``index.yaml`` names each file's licence, and what it shows:

        stroller.png: {licence: CC0-1.0, name: stroller}
        skip.png: {licence: own photograph}

    Raises:
        ValueError: no such folder, no index, an index of another form, a file that is missing or without a
            licence; in one line.
    """
    where = Path(folder).expanduser()
    index = where / INDEX
    if not where.is_dir():
        raise ValueError(f"folder_object: no folder {where}")
    if not index.is_file():
        raise ValueError(
            f"folder_object: no {INDEX} in {where}; it must name each PNG file with its licence, for example "
            "stroller.png: {licence: CC0-1.0}"
        )
    try:
        content = read_yaml(index.read_text(encoding="utf-8"))
    except ValueError as error:
        why = "not valid YAML" if isinstance(error, UnicodeDecodeError) else error
        raise ValueError(f"folder_object: {index}: {why}") from None
    if not isinstance(content, dict) or not content:
        raise ValueError(f"folder_object: {index} must have one line per file, file name: {{licence: ...}}")
    return tuple(_entry(index, str(name), content[name]) for name in sorted(content, key=str))


def _entry(index: Path, file: str, entry: Any) -> tuple[Path, str, str]:
    licence = entry.get("licence") if isinstance(entry, dict) else None
    if not isinstance(licence, str) or not licence.strip():
        raise ValueError(
            f"folder_object: {index} gives no licence for {file}; write {file}: {{licence: ...}}"
        )
    path = index.parent / file
    if not stays_inside(file):
        raise ValueError(f"folder_object: {index} names {file}, which lies outside of {index.parent}")
    if not path.is_file():
        raise ValueError(f"folder_object: {index} names {file}, which is not in {index.parent}")
    return path, str(entry.get("name", path.stem)), licence


@lru_cache(maxsize=64)
def picture(path: Path, side: int) -> Image:
    """An RGBA PNG file, with at most ``side`` pixels in its longer side.

    Raises:
        ValueError: not an image, without transparency, or nothing opaque in it.
    """
    try:
        bgra: Any = decoded(path, content_of(path)[0], cv2.IMREAD_UNCHANGED)
    except ValueError as error:
        raise ValueError(f"folder_object: {error}") from None
    if bgra.dtype != np.uint8 or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise ValueError(f"folder_object: {path} must be an 8-bit RGBA image, with a transparent background")
    if (bgra[..., 3] >= 128).sum() < 16:
        raise ValueError(f"folder_object: {path} has fewer than 16 opaque pixels")
    scale = min(1.0, side / max(bgra.shape[:2]))
    if scale < 1:
        size = (max(2, round(scale * bgra.shape[1])), max(2, round(scale * bgra.shape[0])))
        bgra = cv2.resize(bgra, size, interpolation=cv2.INTER_AREA)
    rgba: Any = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA)
    rgba.flags.writeable = False
    return rgba
