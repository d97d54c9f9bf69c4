"""Image, label and archive files to arrays, with one clear line for every file that is not what it should
be.
"""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.ExifTags import Base

cv2.setNumThreads(0)

Image = NDArray[np.uint8]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})


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


def image_files(folder: Path, pattern: str = "**/*") -> list[Path]:
    """Image files below a folder, sorted."""
    return sorted(p for p in folder.glob(pattern) if p.suffix.lower() in SUFFIXES and p.is_file())


class _Arrays(pickle.Unpickler):
    """Reads the pickles of CIFAR: containers and numpy arrays, nothing that runs code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy.core.numeric", "_frombuffer"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return super().find_class(module, name)


def read_batch(path: Path) -> dict[str, Any]:
    """A CIFAR batch file as a dict with text keys.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged, or holding anything but containers and arrays.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        content = _Arrays(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
    ) as error:
        raise ValueError(f"{path} is no CIFAR batch and was not loaded: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no CIFAR batch: it holds a {type(content).__name__}")
    return {k.decode() if isinstance(k, bytes) else k: v for k, v in content.items()}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of MNIST's format (plain, or gzipped beside it) as an array.

    Raises:
        FileNotFoundError: neither exists. ValueError: not of the length its header says.
    """
    zipped = path.with_name(path.name + ".gz")
    if path.is_file():
        data = path.read_bytes()
    elif zipped.is_file():
        data = gzip.decompress(zipped.read_bytes())
    else:
        raise FileNotFoundError(f"{path} does not exist")
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no idx file of unsigned bytes")
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if values.size != int(shape.prod()):
        raise ValueError(f"{path} is truncated: {values.size} bytes instead of {int(shape.prod())}")
    return values.reshape(shape)
