"""Where the clean images come from: a folder, or a data set of an installed package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anomalies.base import UNKNOWN, Image
from anomalies.recipe import Recipe
from anomalies.scene import Scene
from anomalies.sets.reading import read_image
from lsood.images.depth import warn_of_depth
from lsood.images.listing import SUFFIXES, image_files, key_of
from lsood.text import shown, unknown

GROUP = "anomalies.sources"


@dataclass(frozen=True)
class SourceImage:
    """A clean image.

    Attributes:
        image: (H, W, 3) RGB or (H, W, 1) grey uint8.
        key: stable id, unique within the source; for files their path below the source's root.
        labels: (H, W) uint8 training ids, 255 void; None without labels.
        label_ids: (H, W) uint8, the ids as they stand in the label file; None without a file.
        label_key: path of the label file below the source's root.
        target: class of the whole image, or None.
        path: of the file; None for images in archives.
        notes: conversions that reading needed.
    """

    image: Image
    key: str
    labels: NDArray[np.uint8] | None = None
    label_ids: NDArray[np.uint8] | None = None
    label_key: str | None = None
    target: int | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Clean images.

    Attributes:
        name: of the data set or folder. split: "test", ...; "" without splits.
        origin: "official", "subset", "miniature", or "folder".
        keys: one per image.
        view: what is known about all of its images: classes of the labels, horizon, camera height; no maps.
        file_ids: (256,) id in the label files of every training id; None without label files.
        training_ids: (256,) training id of every id in the label files, 255 void; None without.
        folder: in which all images are clean ones; may be None or missing.

    A source with label files should also have ``label_key(index)``, the path of an image's label file below the
    source's root or None: it tells before anything is written whether two images share one.
    """

    name: str
    split: str
    origin: str
    keys: list[str]
    view: Scene
    file_ids: NDArray[np.uint8] | None
    training_ids: NDArray[np.uint8] | None

    def read(self, index: int) -> SourceImage:
        """The image at a position.

        Raises:
            ValueError, OSError: naming the file, in one line.
        """


class Provider(Protocol):
    """Interface of an entry point of the group ``anomalies.sources``."""

    def names(self) -> list[str]:
        """Data sets it can open."""

    def opens(self, name: str) -> bool:
        """Whether it can open a data set of the user, ``folder:DIR``, ``file.py:Class`` and the like."""

    def open(
        self, name: str, root: Path | None, split: str, seed: int, keep_together: str | None = None
    ) -> Source:
        """A part of a data set; without a root its generated miniature. ``keep_together``: see `SourceSpec`."""

    def recipe(self, name: str) -> str:
        """Name of the shipped recipe of a data set's anomalies."""


@dataclass(frozen=True)
class SourceSpec:
    """How to open a source, also in another process.

    Args:
        ind: name of a data set, or one of the user. images: a folder of images. One of the two.
        data_root: folder that holds the data set; None: its generated miniature.
        split: of the data set.
        limit: at most so many images: the seeded choice that the data modules make.
        seed: of splits and of the choice.
        keep_together: text in file names of a folder of the user; files equal up to its last occurrence are in one part
            of a seeded split.
    """

    ind: str | None = None
    images: Path | None = None
    data_root: Path | None = None
    split: str = "test"
    limit: int | None = None
    seed: int = 0
    keep_together: str | None = None

    def __post_init__(self) -> None:
        if (self.ind is None) == (self.images is None):
            raise ValueError("name either a data set (--ind NAME) or a folder of images (--images DIR)")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.limit}")

    def open(self) -> Source:
        """The source; data sets are opened once in a process.

        Raises:
            ValueError: unknown data set (the right ones are listed), or no images.
            FileNotFoundError: no such folder.
        """
        source: Source = _data_set(self) if self.images is None else _folder(self.images)
        if self.limit is not None and self.limit < len(source.keys):
            order = np.random.default_rng([self.seed, len(source.keys)]).permutation(len(source.keys))
            return Chosen(source, np.sort(order[: self.limit]).tolist())
        return source


class FolderSource:
    """All image files below a folder, without labels. 16-bit, RGBA, CMYK and palette files are converted to
    8-bit RGB, which the manifest notes.
    """

    split, origin, view = "", "folder", UNKNOWN
    file_ids: NDArray[np.uint8] | None = None
    training_ids: NDArray[np.uint8] | None = None

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.name, self.folder, self.files = shown(folder.resolve().name), folder, files
        self.keys = [key_of(path, folder) for path in files]

    def read(self, index: int) -> SourceImage:
        path = self.files[index]
        image, notes = read_image(path)
        return SourceImage(image, self.keys[index], path=path, notes=notes)


class Chosen:
    """Some images of a source."""

    def __init__(self, base: Source, indices: list[int]) -> None:
        self.base, self.indices = base, indices
        self.name, self.split, self.origin = base.name, base.split, base.origin
        self.view, self.file_ids, self.training_ids = base.view, base.file_ids, base.training_ids
        self.keys = [base.keys[i] for i in indices]

    def read(self, index: int) -> SourceImage:
        return self.base.read(self.indices[index])

    def label_key(self, index: int) -> str | None:
        """Path of an image's label file below the source's root; None where the source does not tell."""
        tell = getattr(self.base, "label_key", None)
        key: str | None = None if tell is None else tell(self.indices[index])
        return key


def scene_of(item: SourceImage, view: Scene) -> Scene:
    """The scene of a clean image: its labels and what is known about all images of the source."""
    return replace(view, labels=item.labels)


def default_recipe(ind: str | None) -> Recipe:
    """The recipe of a data set's anomalies when none is given, as its provider says; of a folder "default".

    Args:
        ind: name of a data set; None: images of a folder.

    Raises:
        ValueError: unknown data set (the right ones are listed).
    """
    return Recipe.named("default" if ind is None else _provider(ind).recipe(ind))


@lru_cache(maxsize=4)
def _data_set(spec: SourceSpec) -> Source:
    assert spec.ind is not None
    return _provider(spec.ind).open(spec.ind, spec.data_root, spec.split, spec.seed, spec.keep_together)


def _provider(ind: str) -> Provider:
    providers: dict[str, Provider] = {}
    for point in entry_points(group=GROUP):
        provider = point.load()
        providers |= dict.fromkeys(provider.names(), provider)
        if ind not in providers and ":" in ind and provider.opens(ind):
            providers[ind] = provider
    if ind not in providers:
        raise unknown(
            "data set",
            ind,
            providers,
            ", folder:DIR, segmentation:DIR, coco:DIR, file.py:Class; or use --images DIR",
        )
    return providers[ind]


def _folder(folder: Path) -> FolderSource:
    if folder.is_file():
        raise ValueError(f"--images {folder} is a file: name the folder that holds it")
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: no such folder")
    files = image_files(folder)
    if not files:
        raise ValueError(f"--images {folder}: holds no images ({', '.join(sorted(SUFFIXES))})")
    warn_of_depth(f"--images {shown(folder)}", files)
    return FolderSource(folder, files)
