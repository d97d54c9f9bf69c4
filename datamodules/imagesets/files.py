"""Sets of images in files, read on access."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.labels import check_pair, read_labelled, turned_with
from datamodules.imagesets.base import ImageSet, Item, blank, fingerprint_of
from datamodules.imagesets.contents import digests
from datamodules.imagesets.left_out import split_usable
from lsood.images.depth import warn_of_depth
from lsood.images.headers import header_of
from lsood.images.listing import key_of, same_name
from lsood.images.reading import image_shape, read_image, refuse_turned_tiff
from lsood.text import one_line

SMALL = 256 * 2**20


@dataclass(frozen=True)
class Labels:
    """Label files beside images.

    Attributes:
        path_of: image path -> label path.
        classes: (256,) training id (or 0/1/255 for anomaly masks) of every id in the files, see
            `datamodules.formats.labels.lookup`.
        anomaly: the files are anomaly masks, not targets.
    """

    path_of: Callable[[Path], Path]
    classes: NDArray[np.uint8]
    anomaly: bool = False

    def of(self, image: Path) -> Path:
        """The label file of an image, whichever way accents in its name are stored."""
        return same_name(self.path_of(image))


class FileSet(ImageSet):
    """Images in files, read on access, without those that are left out (see `datamodules.imagesets.left_out`): a
    published set is a subset then.

    Args:
        root: the keys are the files' paths below it.
        files: of the images.
        labels: their label files; None for sets without.

    Attributes:
        used: positions in the list ``files`` that was given of the images of the set.

    Raises:
        ValueError: no files, or two images with the same label file.
    """

    def __init__(
        self, name: str, root: Path, files: Sequence[Path], origin: str, labels: Labels | None = None
    ) -> None:
        if not files:
            raise ValueError(f"{name}: no images in {root}")
        self.used, gone = split_usable(files)
        self.left_out = [key_of(files[i], root) for i in gone]
        self.name, self.root, self.labels = name, root, labels
        self.files = [files[i] for i in self.used]
        self.origin = "subset" if gone and origin == "official" else origin
        self.keys = [key_of(path, root) for path in self.files]
        self.masked, self.labelled = labels is not None and labels.anomaly, labels is not None
        self._shapes: dict[int, tuple[int, int]] = {}
        if labels is not None:
            _check_partners(self.files, labels)
        warn_of_depth(name, self.files)

    def shape(self, index: int) -> tuple[int, int]:
        if index not in self._shapes:
            self._shapes[index] = image_shape(self.files[index], self._stored(index))
        return self._shapes[index]

    def _stored(self, index: int) -> bool:
        """Whether an image is read as it is stored, not turned as its EXIF note says: where its labels are so."""
        if self.labels is None:
            return False
        label = self.labels.of(self.files[index])
        return not label.is_file() or not turned_with(self.files[index], image_shape(label, stored=True))

    def read(self, index: int) -> Item:
        path = self.files[index]
        if self.labels is None:
            return Item(read_image(path), None, self.keys[index])
        image, label = read_labelled(path, self.labels.of(path), self.labels.classes)
        return (
            Item(image, None, self.keys[index], label)
            if self.labels.anomaly
            else Item(image, label, self.keys[index])
        )

    def outline(self, index: int) -> Item:
        return self.read(index) if self.labelled else Item(blank(self.shape(index)), None, self.keys[index])

    def fault(self, index: int) -> str | None:
        path = self.files[index]
        try:
            header = header_of(path)
            if self.labels is not None:
                check_pair(path, self.labels.of(path))
            if header.kind == "TIFF" and self._stored(index):
                refuse_turned_tiff(path, header)
        except (ValueError, OSError) as error:
            return one_line(error)
        return None

    def file(self, index: int) -> Path | None:
        return self.files[index]

    @cached_property
    def fingerprint(self) -> str:
        """Over keys and contents of images and labels, wherever they lie. More than 256 MiB are read once and
        remembered, see `datamodules.imagesets.contents`. Files that earlier versions read otherwise are named in it,
        see `_read_anew`.
        """
        files = (
            self.files if self.labels is None else self.files + [self.labels.of(path) for path in self.files]
        )
        sizes = [path.stat().st_size if path.is_file() else -1 for path in files]
        name = self.name.partition(":")[0]  # without the path of folder:PATH
        notes = self._read_anew()
        if sum(sizes) > SMALL:
            return fingerprint_of(name, "contents", *self.keys, *digests(self.root, files), *notes)
        content = hashlib.sha256(fingerprint_of(name, *self.keys, *sizes).encode())
        for path, size in zip(files, sizes, strict=True):
            content.update(path.read_bytes() if size >= 0 else b"")
        if notes:
            content.update(fingerprint_of(*notes).encode())
        return content.hexdigest()

    def _read_anew(self) -> list[str]:
        """What of the set earlier versions read otherwise: labelled images with an EXIF orientation, turned TIFF files,
        labels of less than 8 bits. Values of such a set that were cached then must not be taken for those of today.
        """
        if self.labels is None:
            return [f"{self.keys[i]} turned" for i, path in enumerate(self.files) if _is_turned_tiff(path)]
        notes = []
        for key, path in zip(self.keys, self.files, strict=True):
            label = self.labels.of(path)
            try:
                image, ids = header_of(path), header_of(label)
            except (OSError, ValueError):
                continue  # reading it says what is wrong
            if image.orientation != 1 and not turned_with(path, ids.shape(stored=True)):
                notes.append(f"{key} as stored")
            if ids.mode == "L" and ids.bits < 8:
                notes.append(f"label of {key} has {ids.bits} bits")
        return notes


class ClassifiedSet(FileSet):
    """Image files with a class each.

    Args:
        files: of the images. classes: index of the class of each.
    """

    def __init__(
        self, name: str, root: Path, files: Sequence[Path], classes: Sequence[int], origin: str
    ) -> None:
        super().__init__(name, root, files, origin)
        self.classes = [classes[i] for i in self.used]

    def read(self, index: int) -> Item:
        return super().read(index)._replace(target=self.classes[index])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(super().fingerprint, *self.classes)


def _is_turned_tiff(path: Path) -> bool:
    try:
        return path.suffix.lower() in (".tif", ".tiff") and header_of(path).orientation != 1
    except (OSError, ValueError):
        return False  # reading it says what is wrong


def _check_partners(files: Sequence[Path], labels: Labels) -> None:
    """Raises ValueError: two images with the same label file, "a.png" beside "a.jpg": one of them has another's."""
    owner: dict[Path, Path] = {}
    for path in files:
        label = labels.path_of(path)
        if label in owner:
            raise ValueError(f"label {label} belongs to both {owner[label]} and {path}; keep one of them")
        owner[label] = path
