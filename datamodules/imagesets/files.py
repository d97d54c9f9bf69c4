"""Sets of images in files, read on access."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.reading import image_shape, read_image, read_label
from datamodules.imagesets.base import ImageSet, Item, fingerprint_of
from datamodules.imagesets.contents import digests

SMALL = 256 * 2**20


@dataclass(frozen=True)
class Labels:
    """Label files beside images.

    Attributes:
        path_of: image path -> label path.
        classes: (256,) training id (or 0/1/255 for anomaly masks) of every id in the files, see
            `datamodules.formats.reading.lookup`.
        anomaly: the files are anomaly masks, not targets.
    """

    path_of: Callable[[Path], Path]
    classes: NDArray[np.uint8]
    anomaly: bool = False


class FileSet(ImageSet):
    """Images in files, read on access.

    Args:
        root: the keys are the files' paths below it.
        files: of the images.
        labels: their label files; None for sets without.

    Raises:
        ValueError: no files.
    """

    def __init__(
        self, name: str, root: Path, files: Sequence[Path], origin: str, labels: Labels | None = None
    ) -> None:
        if not files:
            raise ValueError(f"{name}: no images in {root}")
        self.name, self.root, self.files, self.origin, self.labels = name, root, list(files), origin, labels
        self.keys = [path.relative_to(root).as_posix() for path in files]
        self.masked = labels is not None and labels.anomaly
        self._shapes: dict[int, tuple[int, int]] = {}

    def shape(self, index: int) -> tuple[int, int]:
        if index not in self._shapes:
            self._shapes[index] = image_shape(self.files[index])
        return self._shapes[index]

    def read(self, index: int) -> Item:
        path = self.files[index]
        image = read_image(path)
        if self.labels is None:
            return Item(image, None, self.keys[index])
        label = read_label(self.labels.path_of(path), image, path, self.labels.classes)
        return (
            Item(image, None, self.keys[index], label)
            if self.labels.anomaly
            else Item(image, label, self.keys[index])
        )

    @cached_property
    def fingerprint(self) -> str:
        """Over keys and contents of images and labels, wherever they lie. More than 256 MiB are read once and
        remembered, see `datamodules.imagesets.contents`.
        """
        files = (
            self.files
            if self.labels is None
            else self.files + [self.labels.path_of(path) for path in self.files]
        )
        sizes = [path.stat().st_size if path.is_file() else -1 for path in files]
        name = self.name.partition(":")[0]  # without the path of folder:PATH
        if sum(sizes) > SMALL:
            return fingerprint_of(name, "contents", *self.keys, *digests(self.root, files))
        content = hashlib.sha256(fingerprint_of(name, *self.keys, *sizes).encode())
        for path, size in zip(files, sizes, strict=True):
            content.update(path.read_bytes() if size >= 0 else b"")
        return content.hexdigest()
