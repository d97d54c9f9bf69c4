"""Sets of raw images, before any pre-processing: files, arrays in memory, subsets, and images with
anomalies.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomalies import ANOMALIES, Recipe, Scene
from anomalies.base import UNKNOWN
from anomalies.drawing import AnomalousImage, draw
from anomalies.validity import Unusable
from anomalies.variants import variants
from datamodules.boxes import Boxes
from datamodules.reading import Image, image_shape, read_image, read_label

Target = int | NDArray[np.uint8] | Boxes | None
NOT_DRAWN = "not drawn"
MOVING = ("geometric", "albumentations")
"""Families of anomalies whose kinds move pixels, or may."""


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
            `datamodules.reading.lookup`.
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


class AnomalousSet(ImageSet):
    """A set's images with anomalies drawn on them: a function of (recipe, seed, key), whatever the order or
    the worker.

    The target is that of the clean image, moved with it where an anomaly moves pixels (boxes are left out
    there); objects drawn beside labelled boxes have boxes too, of no class. Images with a local anomaly carry its
    mask. Images on which none of the anomalies can be drawn come as
    they are, with kind NOT_DRAWN.

    Args:
        view: what anomalies may know about all of the images: the classes of the targets, horizon, camera height.
        severity, every_kind: how many versions of every image there are, see `anomalies.variants`; where there
            are several, their names follow the key after a "#".
    """

    def __init__(
        self,
        base: ImageSet,
        recipe: Recipe,
        seed: int = 0,
        name: str | None = None,
        view: Scene = UNKNOWN,
        severity: str = "mixed",
        every_kind: bool = False,
    ) -> None:
        self.base, self.recipe, self.seed, self.view = base, recipe, seed, view
        self.name, self.origin, self.boxed = name or f"{base.name}-anomalies", base.origin, base.boxed
        self.variants = variants([entry.kind for entry in recipe.entries], severity, every_kind)
        self.masked = any(ANOMALIES[entry.kind].level == "pixel" for entry in recipe.entries)
        several = len(self.variants) > 1
        self.keys = [f"{k}#{v.name}" if several else k for k in base.keys for v in self.variants]

    @property
    def sources(self) -> list[str]:
        return [source for source in self.base.sources for _ in self.variants]

    def shape(self, index: int) -> tuple[int, int]:
        return self.base.shape(index // len(self.variants))

    def read(self, index: int) -> Item:
        item, variant = self.base.read(index // len(self.variants)), self.variants[index % len(self.variants)]
        labels = item.target if isinstance(item.target, np.ndarray) else None
        scene = replace(self.view, labels=labels)
        candidates = self.recipe.candidates(item.key, self.seed, variant.severity, variant.entry)
        try:
            drawn = draw(candidates, item.image, item.key, self.seed, scene)
        except Unusable:
            return item._replace(key=self.keys[index], kind=NOT_DRAWN, source=item.key)
        target = item.target if drawn.labels is None else drawn.labels
        if isinstance(target, Boxes):
            target = _moved(target, drawn)
        key = self.keys[index]
        return Item(drawn.image, target, key, drawn.mask, drawn.kind, drawn.severity, item.key)

    @cached_property
    def fingerprint(self) -> str:
        names = [v.name for v in self.variants] if len(self.variants) > 1 else [self.variants[0].severity]
        if self.boxed:
            names.append("boxes of drawn objects")
        return fingerprint_of(self.base.fingerprint, self.recipe.fingerprint, self.seed, self.view, *names)


def _moved(clean: Boxes, drawn: AnomalousImage) -> Boxes | None:
    """The boxes of an image after an anomaly; None where they cannot be known."""
    if drawn.anomaly.family in MOVING:
        return None
    if drawn.anomaly.family != "objects":
        return clean
    return clean.with_unknown(drawn.rendered.details["boxes"], drawn.rendered.details["objects"])


def capped(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """At most ``limit`` images, a seeded choice in the set's order."""
    if limit is None or len(images) <= limit:
        return images
    chosen = np.random.default_rng([seed, len(images)]).permutation(len(images))[:limit]
    return Subset(images, np.sort(chosen).tolist())
