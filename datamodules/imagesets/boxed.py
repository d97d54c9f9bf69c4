"""Images in files with labelled objects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from datamodules.formats.labels import turned_with
from datamodules.imagesets.base import Item, blank, fingerprint_of
from datamodules.imagesets.boxes import NO_BOXES, Boxes, inside
from datamodules.imagesets.files import FileSet
from lsood.images.headers import header_of
from lsood.images.reading import read_image
from lsood.io import log
from lsood.text import one_line

Size = tuple[int, int]


class BoxedSet(FileSet):
    """Images in files, each with the boxes of its objects (possibly none).

    Boxes are cut off at the edges of their image; one warning counts those of which nothing is left. They belong to
    the stored pixels, whatever orientation an image's EXIF note names, unless their labels state the turned size.

    Args:
        objects: of every file, in order; an error where an image's own labels cannot be read.
        source: the file or folder the boxes come from, for messages.
        sizes: (H, W) of every image as its labels state it; None where they do not.

    An image that is missing or unreadable, or of another size than its labels say, raises when it is read.
    """

    boxed = True

    def __init__(
        self,
        name: str,
        root: Path,
        files: Sequence[Path],
        origin: str,
        objects: Sequence[Boxes | Exception],
        source: Path,
        sizes: Sequence[Size | None] | None = None,
    ) -> None:
        super().__init__(name, root, files, origin)
        self._source, self._turned, self._faults = source, set[int](), dict[int, Exception]()
        self.objects, lost = [], 0
        for index, place in enumerate(self.used):
            given = objects[place]
            self.objects.append(self._placed(index, given, sizes[place] if sizes else None))
            lost += 0 if isinstance(given, Exception) else _count(given) - _count(self.objects[-1])
        if lost:
            log.warning(
                "%s: %d boxes have no area or lie outside their image; they are left out", source, lost
            )

    def _placed(self, index: int, given: Boxes | Exception, stated: Size | None) -> Boxes:
        """The boxes of an image, cut off at its edges; why an image cannot be used is kept until it is read."""
        path = self.files[index]
        try:
            if isinstance(given, Exception):
                raise given
            if stated is not None and turned_with(path, stated):
                self._turned.add(index)
            height, width = self.shape(index)
            if stated is not None and stated != (height, width):
                raise ValueError(
                    f"{path} is {width}x{height}, its labels in {self._source} are for {stated[1]}x{stated[0]}"
                )
        except (OSError, ValueError) as error:
            self._faults[index] = error
            return NO_BOXES if isinstance(given, Exception) else given
        return inside(given, height, width)

    def _stored(self, index: int) -> bool:
        return index not in self._turned

    def fault(self, index: int) -> str | None:
        return one_line(self._faults[index]) if index in self._faults else super().fault(index)

    def read(self, index: int) -> Item:
        if index in self._faults:
            raise self._faults[index]
        image = read_image(self.files[index], self._stored(index))
        return Item(image, self.objects[index], self.keys[index])

    def outline(self, index: int) -> Item:
        if index in self._faults:
            raise self._faults[index]
        return Item(blank(self.shape(index)), self.objects[index], self.keys[index])

    def _read_anew(self) -> list[str]:
        return [
            f"{self.keys[i]} as stored"
            for i, path in enumerate(self.files)
            if self._stored(i) and header_of(path).orientation != 1
        ]

    @cached_property
    def fingerprint(self) -> str:
        """Over images, as `FileSet`, and boxes."""
        content = hashlib.sha256()
        for found in self.objects:
            content.update(found.boxes.tobytes() + found.classes.tobytes() + repr(found.names).encode())
            left_out = found.left_out
            if left_out.names:
                content.update(
                    b"".join(part.tobytes() for part in left_out[:3]) + repr(left_out.names).encode()
                )
        return fingerprint_of(super().fingerprint, content.hexdigest())


def _count(objects: Boxes) -> int:
    return len(objects.classes)
