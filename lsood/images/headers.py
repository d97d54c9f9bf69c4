"""What the header of an image file says: size, orientation, depth, mode, and whether its end is there; nothing is
decoded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image as Pillow
from PIL.ExifTags import Base

from lsood.images.ends import check_end, largest_value, truncated
from lsood.images.messages import told
from lsood.images.tiff import tags_of

LARGEST = 2**26
"""Pixels of the largest image that is decoded: 64 megapixels."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_TIFF_MODES = {2: ("RGB", 3), 3: ("P", 1), 5: ("CMYK", 4), 6: ("RGB", 3), 8: ("RGB", 3)}
_CONVERTED = ("P", "PA", "LA", "RGBA", "CMYK")


class Header(NamedTuple):
    """An image file's header.

    Attributes:
        height, width: of the stored pixels.
        orientation: EXIF's, 1 to 8; 1: as stored.
        kind: "PNG", "TIFF" or another name of Pillow's.
        bits: per sample, where the format lets it vary.
        mode: as Pillow names it: "L", "P", "RGB", "RGBA", "CMYK", ...
        further: channels beside colours and alpha.
        place: of the orientation's value in a TIFF file: offset and format for `struct`.
    """

    height: int
    width: int
    orientation: int = 1
    kind: str = ""
    bits: int = 8
    mode: str = ""
    further: int = 0
    place: tuple[int, str] | None = None

    def shape(self, stored: bool = False) -> tuple[int, int]:
        """(H, W), turned as the orientation says unless ``stored``."""
        turned = self.orientation in (5, 6, 7, 8) and not stored
        return (self.width, self.height) if turned else (self.height, self.width)

    @property
    def conversions(self) -> tuple[str, ...]:
        """What reading the file as 8-bit RGB or grey changes; () where nothing."""
        if self.bits == 16:
            return ("converted from 16 bits to 8",)
        return (f"converted from {self.mode} to RGB",) if self.mode in _CONVERTED else ()


def header_of(path: Path, data: bytes | None = None) -> Header:
    """The header of an image file.

    Args:
        data: the file's content, where it was read already.

    Raises:
        FileNotFoundError: no such file. ValueError: no image, a file that ends before its end, more than `LARGEST`
            pixels, or channels that are neither colour nor alpha.
    """
    if data is None and not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with told(path), io.BytesIO(data) if data is not None else path.open("rb") as file:
            header = _header(file, path)
    except (SyntaxError, struct.error, KeyError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from None
    if header.height * header.width > LARGEST:
        raise ValueError(
            f"{path} is {header.width}x{header.height}; images may have at most {LARGEST >> 20} megapixels "
            f"(of 2^20 pixels): make it smaller"
        )
    if header.further:
        raise ValueError(
            f"{path} has {header.further} channels beside its colours; images must be grey, RGB or RGBA: "
            "save the channels to use as RGB"
        )
    return header


def _header(file: BinaryIO, path: Path) -> Header:
    start = file.read(8)
    if start == PNG_SIGNATURE:
        return _png(file, path)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file, path)
    file.seek(0)
    largest, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        with Pillow.open(file) as image:
            (width, height), note = image.size, image.info.get("exif", b"")
            check_end(file, image, path)
            return Header(height, width, _orientation(note), image.format or "", _bits(image), image.mode)
    except (OSError, Pillow.DecompressionBombError) as error:
        reason = "truncated, damaged or of an unknown format"
        raise ValueError(f"{path} cannot be read as an image: {reason}") from error
    finally:
        Pillow.MAX_IMAGE_PIXELS = largest


def _bits(image: Pillow.Image) -> int:
    if image.mode == "1":
        return 1
    return 16 if image.format == "PPM" and largest_value(image) > 255 else 8


def _orientation(note: bytes) -> int:
    """EXIF's orientation; 1 where there is none, or a note that cannot be read, as OpenCV takes it."""
    exif = Pillow.Exif()
    try:
        exif.load(note)
        return _from_1_to_8(exif.get(Base.Orientation, 1))
    except (SyntaxError, ValueError, OSError, struct.error, TypeError, KeyError):
        return 1


def _from_1_to_8(found: object) -> int:
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _png(file: BinaryIO, path: Path) -> Header:
    """From all chunks: the EXIF note may stand behind the pixels. Bytes after the last chunk do not matter."""
    found, orientation = None, 1
    for name, length in _chunks(file, path):
        if name == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", file.read(10))
            found = Header(height, width, 1, "PNG", bits, _MODES.get(colour, ""))
        elif name == b"eXIf":
            orientation = _orientation(b"Exif\0\0" + file.read(length))
    if found is None:
        raise ValueError(f"{path} cannot be read as an image: a PNG file without a header")
    return found._replace(orientation=orientation)


def _chunks(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, int]]:
    """(name, length) of every chunk, the file placed at its content."""
    size, at, name = file.seek(0, io.SEEK_END), len(PNG_SIGNATURE), b""
    while name != b"IEND":
        file.seek(at)
        start = file.read(8)
        length, name = struct.unpack(">I4s", start) if len(start) == 8 else (0, b"")
        if at + 12 + length > size:
            raise truncated(path)
        yield name, length
        at += 12 + length


def _tiff(file: BinaryIO, path: Path) -> Header:
    tags, end, place = tags_of(file)
    if end > file.seek(0, io.SEEK_END):
        raise truncated(path)
    samples = tags.get(277, 1)
    mode, colours = _TIFF_MODES.get(tags.get(262, 1), ("L", 1))
    alpha = 1 if samples == colours + 1 and tags.get(338, 2) != 0 else 0
    mode = {"L": "LA", "P": "PA", "RGB": "RGBA"}.get(mode, mode) if alpha else mode
    return Header(
        tags[257],
        tags[256],
        _from_1_to_8(tags.get(274, 1)),
        "TIFF",
        tags.get(258, 1),
        mode,
        max(0, samples - colours - alpha),
        place,
    )
