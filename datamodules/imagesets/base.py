"""Sets of raw images, before any pre-processing: files, arrays in memory, and subsets."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.reading import Image, image_shape, read_image, read_label
from datamodules.imagesets.boxes import Boxes

Target = int | NDArray[np.uint8] | Boxes | None
NOT_DRAWN = "not drawn"


class Item(NamedTuple):
    """One raw image.

    Attributes:
        image: (H, W, 3) or (H, W, 1) uint8, RGB or grey.
        target: class index, (H, W) uint8 training ids (255: ignore), the boxes of its objects, or None.
        key: stable id, unique within the set.
        anomaly: (H, W) uint8, 1 anomalous, 0 not, 255 ignore; None where nothing local is known.
        kind, severity: of the anomaly drawn on it; "" and 0 without. NOT_DRAWN: none could be drawn.
        source: key of the clean image it was drawn on.
    """

    image: Image
    target: Target
    key: str
    anomaly: Image | None = None
    kind: str = ""
    severity: int = 0
    source: str = ""


class ImageSet(ABC):
    """A set of raw images.

    Attributes:
        name: of the set. origin: "official", "subset" (official files, not all of them) or "miniature". keys:
            one id per image. masked: images come with anomaly masks, at least some of them. boxed: images come
            with the boxes of their objects.
    """

    name: str
    origin: str
    keys: list[str]
    masked: bool = False
    boxed: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sources(self) -> list[str]:
        """Per image, the key of the image it was made from; its own where nothing was drawn."""
        return self.keys

    @abstractmethod
    def read(self, index: int) -> Item:
        """The image at a position.

        Raises:
            FileNotFoundError, ValueError: naming the file.
        """

    def shape(self, index: int) -> tuple[int, int]:
        """(H, W) of the image at a position, without decoding it where that is possible."""
        image = self.read(index).image
        return image.shape[0], image.shape[1]

    @cached_property
    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 in hex over what the set holds."""


def fingerprint_of(*parts: object) -> str:
    """sha256 in hex over the text of the parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


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
    """Images in files, read when asked for.

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
        """Over keys and contents of images and labels; over keys and sizes where they are more than 256
        MiB.
        """
        files = (
            self.files
            if self.labels is None
            else self.files + [self.labels.path_of(path) for path in self.files]
        )
        sizes = [path.stat().st_size if path.is_file() else -1 for path in files]
        content = hashlib.sha256(fingerprint_of(self.name, *self.keys, *sizes).encode())
        if sum(sizes) <= SMALL:
            for path, size in zip(files, sizes, strict=True):
                content.update(path.read_bytes() if size >= 0 else b"")
        return content.hexdigest()


class ArraySet(ImageSet):
    """Images in memory: (N, H, W, C) uint8, with (N,) int labels or None."""

    def __init__(
        self, name: str, images: NDArray[np.uint8], labels: NDArray[Any] | None, origin: str, prefix: str = ""
    ) -> None:
        if len(images) == 0:
            raise ValueError(f"{name}: no images")
        self.name, self.images, self.labels, self.origin = name, images, labels, origin
        self.keys = [f"{prefix}{i:06d}" for i in range(len(images))]

    def shape(self, index: int) -> tuple[int, int]:
        return self.images.shape[1], self.images.shape[2]

    def read(self, index: int) -> Item:
        label = None if self.labels is None else int(self.labels[index])
        return Item(self.images[index], label, self.keys[index])

    @cached_property
    def fingerprint(self) -> str:
        """Over the contents."""
        content = hashlib.sha256(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            content.update(np.ascontiguousarray(self.labels, dtype=np.int64).data)
        return fingerprint_of(self.name, self.keys[0], content.hexdigest())


class Subset(ImageSet):
    """Some images of a set, in the given order."""

    def __init__(self, base: ImageSet, indices: Sequence[int]) -> None:
        self.base, self.indices = base, [int(i) for i in indices]
        self.name, self.origin = base.name, base.origin
        self.keys = [base.keys[i] for i in self.indices]

    @property
    def masked(self) -> bool:  # type: ignore[override]
        return self.base.masked

    @property
    def boxed(self) -> bool:  # type: ignore[override]
        return self.base.boxed

    @property
    def sources(self) -> list[str]:
        sources = self.base.sources
        return [sources[i] for i in self.indices]

    def shape(self, index: int) -> tuple[int, int]:
        return self.base.shape(self.indices[index])

    def read(self, index: int) -> Item:
        return self.base.read(self.indices[index])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.base.fingerprint, *self.indices)


def capped(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """At most ``limit`` images, a seeded choice in the set's order."""
    if limit is None or len(images) <= limit:
        return images
    chosen = np.random.default_rng([seed, len(images)]).permutation(len(images))[:limit]
    return Subset(images, np.sort(chosen).tolist())
