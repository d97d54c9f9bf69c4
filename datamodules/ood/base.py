"""OoD sets that are read from files: where each lies, how it is read, where to get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anomalies import Recipe, Scene
from datamodules.formats.folders import folder_set
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import capped
from datamodules.locate import has_miniature, locate
from datamodules.tasks.base import Task


class Host(Protocol):
    """What OoD sets may know of the data module they are opened for; see `datamodules.BenchmarkDataModule`."""

    root: Path | None
    seed: int
    limit: int | None
    download: bool
    recipe: Recipe
    severity: str
    every_kind: bool
    leave_one_out: bool
    ood: tuple[str, ...]
    calibrated_on: str | None
    image_size: tuple[int, int]

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> str: ...
    @property
    def channels(self) -> int: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def synonyms(self) -> tuple[str, ...]: ...
    @property
    def task_handler(self) -> Task: ...
    @property
    def sets(self) -> Mapping[str, ImageSet]: ...
    def view(self) -> Scene: ...
    def sequence_of(self, key: str, /) -> str | None: ...


class OODSource(Protocol):
    """Anything that gives OoD images for a data module."""

    def open(self, data: Host) -> ImageSet:
        """The images, at most ``data.limit``, in the form its task needs.

        Raises:
            FileNotFoundError: not below the root. ValueError: no images, or none that is out of distribution.
        """


@dataclass(frozen=True)
class OODSet:
    """An OoD set that is read from files; by default a folder of images, possibly in sub-folders.

    Attributes:
        name, description: for users; literals, so that they are known without an import.
        folders: names looked for below the data root, besides the root itself.
        source: where to get it.
        published: number of images of the published set; None: not known.
        layout: expected files, for the error if it is missing.
        there: whether a folder holds the set; by default one of the names in ``folders``.
        read: the set from its folder; by default all images below, see `datamodules.formats.folders.folder_set`.
        fetch: downloads it into a data root; None: it cannot be downloaded.
        boxed: the set from its folder with the boxes of its objects; None: it has none.
        smallest_components: pixels of the smallest predicted and true component of anomalous pixels that counts, as its
            publishers evaluate it; None: they do not say.
    """

    name: str
    description: str
    folders: tuple[str, ...]
    source: str
    published: int | None = None
    layout: str = ""
    there: Callable[[Path], bool] | None = None
    read: Callable[[Path], ImageSet] | None = None
    fetch: Callable[[Path], Any] | None = None
    boxed: Callable[[Path], ImageSet] | None = None
    smallest_components: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not self.layout:
            object.__setattr__(self, "layout", f"{self.folders[0]}/**/*.png (or jpg, webp)")

    @property
    def mini(self) -> bool:
        """Whether a miniature of it can be generated."""
        return has_miniature(self.name)

    def is_there(self, folder: Path) -> bool:
        """Whether a folder holds the set."""
        if self.there is not None:
            return self.there(folder)
        return folder.name in {Path(f).name for f in self.folders} and folder.is_dir()

    def load(self, folder: Path) -> ImageSet:
        """The images of the set in a folder."""
        found = folder_set(self.name, folder, self.published) if self.read is None else self.read(folder)
        if self.smallest_components is not None:
            found.smallest_components = self.smallest_components
        return found

    def located(self, data: Host) -> ImageSet:
        """All images of the set below the root of a data module.

        Raises:
            FileNotFoundError: not there; says which layout is expected and where to get it.
        """
        folder = locate(self.name, self, data.root, data.seed, self.fetch if data.download else None)
        boxed = self.boxed if data.task_handler.boxed else None
        return self.load(folder) if boxed is None else boxed(folder)

    def open(self, data: Host) -> ImageSet:
        """At most ``data.limit`` images that are out of distribution for a data module; see `located` and
        `datamodules.tasks.base.Task.without_known` for errors.
        """
        if self.name == data.name:
            raise ValueError(f"{self.name} is the in-distribution set; name another OoD set")
        return unknown_images(self.located(data), data)


def unknown_images(images: ImageSet, data: Host) -> ImageSet:
    """At most ``data.limit`` of the images that are out of distribution for a data module."""
    names: Sequence[str] = (*data.class_names, *data.synonyms)
    return capped(data.task_handler.without_known(images, data.name, names), data.limit, data.seed)
