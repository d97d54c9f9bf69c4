"""What the first bytes of an image file say: size, orientation, depth; nothing is decoded."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image as Pillow
from PIL.ExifTags import Base

LARGEST = 2**26
"""Pixels of the largest image that is decoded: 64 megapixels."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3}
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


class Header(NamedTuple):
    """An image file's header.

    Attributes:
        height, width: of the stored pixels.
        orientation: EXIF's, 1 to 8; 1: as stored.
        kind: "PNG", "TIFF" or another name of Pillow's.
        bits: per sample, where the format lets it vary.
        colour: PNG's colour type; -1 for other formats.
        further: channels beside colours and alpha.
    """

    height: int
    width: int
    orientation: int = 1
    kind: str = ""
    bits: int = 8
    colour: int = -1
    further: int = 0

    def shape(self, stored: bool = False) -> tuple[int, int]:
        """(H, W), turned as the orientation says unless ``stored``."""
        turned = self.orientation in (5, 6, 7, 8) and not stored
        return (self.width, self.height) if turned else (self.height, self.width)


def header_of(path: Path, data: bytes | None = None) -> Header:
    """The header of an image file.

    Args:
        data: the file's content, where it was read already.

    Raises:
        FileNotFoundError: no such file. ValueError: no image, a truncated PNG file, more than `LARGEST` pixels, or
            channels that are neither colour nor alpha.
    """
    if data is None and not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        if data is not None:
            header = _header(io.BytesIO(data), path)
        else:
            with path.open("rb") as file:
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
        return _tiff(file, start)
    file.seek(0)
    largest, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        with Pillow.open(file) as image:
            (width, height), note = image.size, image.info.get("exif", b"")
            return Header(height, width, _orientation(note), image.format or "")
    except (OSError, ValueError) as error:
        reason = "truncated, damaged or of an unknown format"
        raise ValueError(f"{path} cannot be read as an image: {reason}") from error
    finally:
        Pillow.MAX_IMAGE_PIXELS = largest


def _orientation(note: bytes) -> int:
    """EXIF's orientation; 1 where there is none, or a note that cannot be read, as OpenCV takes it."""
    exif = Pillow.Exif()
    try:
        exif.load(note)
        found = exif.get(Base.Orientation, 1)
    except (SyntaxError, ValueError, OSError, struct.error, TypeError, KeyError):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _png(file: BinaryIO, path: Path) -> Header:
    """From all chunks: the EXIF note may stand behind the pixels. Bytes after the last chunk do not matter."""
    found, orientation = None, 1
    for name, length in _chunks(file, path):
        if name == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", file.read(10))
            found = Header(height, width, 1, "PNG", bits, colour)
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
            raise ValueError(f"{path} is truncated: its last chunk is missing; copy or download it again")
        yield name, length
        at += 12 + length


def _tiff(file: BinaryIO, start: bytes) -> Header:
    """From the first directory of a TIFF or BigTIFF file."""
    order, big = "<" if start[:2] == b"II" else ">", 43 in start[2:4]
    if big:
        (at,) = struct.unpack(f"{order}Q", file.read(8))
    else:
        (at,) = struct.unpack(f"{order}I", start[4:8])
    file.seek(at)
    count_code, entry_size, place = ("Q", 20, 12) if big else ("H", 12, 8)
    (count,) = struct.unpack(f"{order}{count_code}", file.read(struct.calcsize(count_code)))
    directory = file.read(entry_size * min(count, 4096))
    tags: dict[int, int] = {}
    for i in range(0, len(directory) - entry_size + 1, entry_size):
        entry = directory[i : i + entry_size]
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        number = _NUMBERS.get(kind)
        (values,) = struct.unpack(f"{order}{'Q' if big else 'I'}", entry[4:place])
        if number is None or values == 0:
            continue
        raw = entry[place:]
        if values * struct.calcsize(number) > len(raw):
            (where,) = struct.unpack(f"{order}{'Q' if big else 'I'}", raw)
            file.seek(where)
            raw = file.read(8)
        (tags[tag],) = struct.unpack_from(f"{order}{number}", raw)
    samples, colours = tags.get(277, 1), _COLOURS.get(tags.get(262, 1), 1)
    alpha = 1 if samples == colours + 1 and tags.get(338, 2) != 0 else 0
    return Header(
        tags[257],
        tags[256],
        tags.get(274, 1),
        "TIFF",
        tags.get(258, 8),
        -1,
        max(0, samples - colours - alpha),
    )
