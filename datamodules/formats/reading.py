"""Image and label files to arrays; errors name the file and the defect in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.ExifTags import Base

cv2.setNumThreads(0)

Image = NDArray[np.uint8]


def _decode(path: Path, flags: int) -> NDArray[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    data = np.fromfile(path, dtype=np.uint8)
    if path.suffix.lower() == ".png" and b"IEND" not in data[-64:].tobytes():
        raise ValueError(f"{path} is truncated or no PNG file")
    image = cv2.imdecode(data, flags) if len(data) else None
    if image is None:
        raise ValueError(f"{path} cannot be read as an image: truncated, damaged or of an unknown format")
    return image


def read_image(path: Path) -> Image:
    """An image file as (H, W, 3) uint8 RGB; grey, palette, 16-bit and RGBA files are converted.

    Raises:
        FileNotFoundError: no such file. ValueError: truncated or unreadable.
    """
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def image_shape(path: Path) -> tuple[int, int]:
    """(H, W) of what `read_image` returns, from the file's header; a turned camera's EXIF note is heeded, as there.

    Raises:
        FileNotFoundError: no such file. ValueError: no header of an image.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with Pillow.open(path) as header:
            width, height = header.size
            turned = header.getexif().get(Base.Orientation, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from None
    return (width, height) if turned else (height, width)


def read_label(path: Path, like: Image, image_path: Path, classes: NDArray[np.uint8]) -> Image:
    """A label file as (H, W) uint8 training ids.

    Args:
        path: single-channel 8-bit file.
        like: its image; both must have the same size.
        classes: (256,) training id of every id in the file; 254 marks an id that must not occur.

    Raises:
        FileNotFoundError: the image has no label. ValueError: another size, several channels, or an id out of
            range.
    """
    if not path.is_file():
        raise FileNotFoundError(f"image {image_path} has no label: {path} does not exist")
    label = _decode(path, cv2.IMREAD_UNCHANGED)
    if label.ndim != 2 or label.dtype != np.uint8:
        raise ValueError(f"label {path} must be single-channel 8-bit, got {label.shape} {label.dtype}")
    if label.shape != like.shape[:2]:
        sizes = f"{label.shape[1]}x{label.shape[0]}, its image {image_path} {like.shape[1]}x{like.shape[0]}"
        raise ValueError(f"label {path} is {sizes}")
    mapped: Any = cv2.LUT(label, classes)
    if (mapped == OUT_OF_RANGE).any():
        wrong = int(label[mapped == OUT_OF_RANGE][0])
        raise ValueError(f"label {path} holds id {wrong}, which is no class of this data set")
    return mapped


OUT_OF_RANGE = 254
IGNORE = 255


def lookup(ids: dict[int, int]) -> NDArray[np.uint8]:
    """(256,) table from file ids to training ids; ids that are not named are out of range."""
    table = np.full(256, OUT_OF_RANGE, dtype=np.uint8)
    for source, target in ids.items():
        table[source] = target
    return table
