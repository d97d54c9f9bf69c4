"""Label maps beside images: ids to training ids, in the geometry of their image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from lsood.images.headers import header_of
from lsood.images.reading import Image, content_of, decoded, image_shape, read_image

OUT_OF_RANGE = 254
IGNORE = 255


def lookup(ids: dict[int, int]) -> NDArray[np.uint8]:
    """(256,) table from file ids to training ids; ids that are not named are out of range."""
    table = np.full(256, OUT_OF_RANGE, dtype=np.uint8)
    for source, target in ids.items():
        table[source] = target
    return table


def read_labelled(path: Path, label_path: Path, classes: NDArray[np.uint8]) -> tuple[Image, Image]:
    """An image as (H, W, 3) uint8 RGB with its label file as (H, W) uint8 training ids.

    Labels belong to the stored pixels, whatever orientation the image's EXIF note names, as torchvision,
    cityscapesScripts and COCO's tools take them; where only the turned image has the label's size, it is turned.

    Args:
        classes: (256,) training id of every id in the file; 254 marks an id that must not occur.

    Raises:
        FileNotFoundError: no image, or no label. ValueError: see `lsood.images.reading.read_image` and
            `read_label`.
    """
    if not label_path.is_file():
        raise FileNotFoundError(f"image {path} has no label: {label_path} does not exist")
    image = read_image(path, stored=not turned_with(path, image_shape(label_path, stored=True)))
    return image, read_label(label_path, image, path, classes)


def check_pair(path: Path, label_path: Path) -> None:
    """An image and its label by their headers.

    Raises:
        FileNotFoundError, ValueError: one of them is missing, cut or no image, or their sizes differ.
    """
    image = header_of(path)
    if not label_path.is_file():
        raise FileNotFoundError(f"image {path} has no label: {label_path} does not exist")
    size = header_of(label_path).shape(stored=True)
    if size not in (image.shape(), image.shape(stored=True)):
        raise ValueError(
            f"label {label_path} is {size[1]}x{size[0]}, its image {path} {image.width}x{image.height}"
        )


def turned_with(path: Path, size: tuple[int, int]) -> bool:
    """Whether only the turned image of a file has the size (H, W) that its labels have."""
    header = header_of(path)
    return header.shape() == size != header.shape(stored=True)


def read_label(path: Path, like: Image, image_path: Path, classes: NDArray[np.uint8]) -> Image:
    """A label file as (H, W) uint8 training ids.

    Args:
        path: single-channel file of at most 8 bits; of palette files the indices are the ids.
        like: its image; both must have the same size.
        classes: (256,) training id of every id in the file; 254 marks an id that must not occur.

    Raises:
        FileNotFoundError: the image has no label. ValueError: another size, several channels, or an id out of
            range.
    """
    if not path.is_file():
        raise FileNotFoundError(f"image {image_path} has no label: {path} does not exist")
    label = read_ids(path)
    if label.shape != like.shape[:2]:
        sizes = f"{label.shape[1]}x{label.shape[0]}, its image {image_path} {like.shape[1]}x{like.shape[0]}"
        raise ValueError(f"label {path} is {sizes}")
    mapped: Any = cv2.LUT(label, classes)
    if (mapped == OUT_OF_RANGE).any():
        wrong = int(label[mapped == OUT_OF_RANGE][0])
        raise ValueError(f"label {path} holds id {wrong}, which is no class of this data set")
    return mapped


def read_ids(path: Path) -> Image:
    """The ids of a label file as they stand in it, (H, W) uint8: grey values, or indices of a palette. Files of 1, 2
    or 4 bits hold 0 and 1, 0 to 3, 0 to 15.

    Raises:
        FileNotFoundError: no such file. ValueError: unreadable, several channels, or more than 8 bits.
    """
    data, header = content_of(path)
    if header.mode == "P" or header.bits == 1:
        try:
            with Pillow.open(io.BytesIO(data.tobytes())) as image:
                return np.array(image, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"label {path} cannot be read: {error}") from None
    ids = decoded(path, data, cv2.IMREAD_UNCHANGED)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise ValueError(f"label {path} must be single-channel 8-bit, got {ids.shape} {ids.dtype}")
    if header.mode == "L" and header.bits < 8:
        return ids // np.uint8(255 // (2**header.bits - 1))
    return ids
