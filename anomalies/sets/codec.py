"""Encoding and decoding of image files.

Most of the generation time goes into writing PNG files. A PNG whose rows hold differences to the left neighbour (one
numpy subtraction), compressed by ISA-L's deflate (package ``isal``) or zlib's fastest level, is several times faster to
write than with the general encoders and decodes to the same pixels.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from lsood.images.headers import PNG_SIGNATURE
from lsood.images.reading import content_of, decoded

fast_deflate: Any = None
if find_spec("isal"):
    fast_deflate = import_module("isal.isal_zlib")

QUALITY = 95
FORMATS = ("png", "jpg", "webp")
FILTER_NONE, FILTER_SUB = 0, 1
COLOUR_TYPES = {1: 0, 3: 2}
ENCODED = Path("encoded image")


@dataclass(frozen=True)
class Codec:
    """Encoding of the images of a set, the same for clean copies and anomalous images, so that the encoding does not
    separate them.

    Args:
        format: "png" (lossless), "jpg" or "webp" (both at quality 95).
    """

    format: str = "png"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}; formats: {', '.join(FORMATS)}")

    @property
    def suffix(self) -> str:
        return f".{self.format}"

    @property
    def lossless(self) -> bool:
        return self.format == "png"

    def encode(self, image: Image) -> bytes:
        """(H, W, 3) RGB or (H, W, 1) grey uint8 to the bytes of a file."""
        if self.format == "png":
            return encode_png(image)
        quality = cv2.IMWRITE_JPEG_QUALITY if self.format == "jpg" else cv2.IMWRITE_WEBP_QUALITY
        bgr = image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        return cv2.imencode(self.suffix, bgr, [quality, QUALITY])[1].tobytes()

    def stored(self, image: Image, encoded: bytes | None = None) -> Image:
        """The pixels that come back after encoding."""
        if self.lossless:
            return image
        data = np.frombuffer(self.encode(image) if encoded is None else encoded, dtype=np.uint8)
        return _decoded(data, image.shape[2])


def read_stored(path: Path, channels: int) -> Image:
    """An image file of a set, (H, W, channels) uint8, RGB or grey.

    Raises:
        FileNotFoundError: not there. ValueError: damaged, or truncated.
    """
    data, _ = content_of(path)
    return _decoded(data, channels, path)


def read_map(path: Path) -> NDArray[Any]:
    """A mask or map, (H, W) uint8 or uint16.

    Raises:
        FileNotFoundError: not there. ValueError: damaged, or truncated.
    """
    data, _ = content_of(path)
    content = decoded(path, data, cv2.IMREAD_UNCHANGED)
    if content.ndim != 2:
        raise ValueError(f"{path} cannot be read as a map of one channel")
    return content


def encode_png(array: NDArray[Any]) -> bytes:
    """(H, W, 3), (H, W, 1) or (H, W) uint8, or (H, W) uint16, to the bytes of a PNG file.

    Flat maps are stored as they are, images as differences to the left neighbour.
    """
    picture = array.ndim == 3
    pixels = array if picture else array[..., None]
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    rows = np.ascontiguousarray(pixels).astype(f">u{pixels.dtype.itemsize}", copy=False)
    rows = rows.view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), dtype=np.uint8)
    if picture:
        filtered[:, 0] = FILTER_SUB
        filtered[:, 1 : 1 + channels] = rows[:, :channels]
        np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, 1 + channels :])
    else:
        filtered[:, 0] = FILTER_NONE
        filtered[:, 1:] = rows
    header = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", _deflated(filtered, picture)), (b"IEND", b""))
    return b"".join((PNG_SIGNATURE, *(part for name, data in chunks for part in _chunk(name, data))))


def _deflated(rows: NDArray[np.uint8], picture: bool) -> bytes:
    if fast_deflate is not None:
        return fast_deflate.compress(rows.data, 1)
    # Differences of neighbours are noise without repetitions: looking for them costs time and finds none.
    strategy = zlib.Z_HUFFMAN_ONLY if picture else zlib.Z_DEFAULT_STRATEGY
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, strategy)
    return packer.compress(rows.data) + packer.flush()


def _chunk(name: bytes, data: bytes) -> tuple[bytes, ...]:
    crc32 = zlib.crc32 if fast_deflate is None else fast_deflate.crc32
    return struct.pack(">I", len(data)), name, data, struct.pack(">I", crc32(data, zlib.crc32(name)))


def _decoded(data: NDArray[np.uint8], channels: int, path: Path = ENCODED) -> Image:
    image: Any = decoded(path, data, cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR)
    return image[..., None] if channels == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
