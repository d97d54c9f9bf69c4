"""OoD sets that follow from their name: anomalies, any folder, generated sets, test parts of in-distribution sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.generated import GeneratedSet
from datamodules.imagesets.subset import capped
from datamodules.ood.base import Host, OODSet, OODSource, unknown_images
from datamodules.registry import ANOMALIES, DATAMODULES, FOLDER, GENERATED, OOD_SETS
from lsood.images.listing import image_files


def derived(name: str) -> OODSource:
    """The OoD set of a name such as "cityscapes-anomalies", "folder:PATH", "generated:PATH" or "gtsrb"."""
    if name.startswith(FOLDER):
        return FolderImages(name)
    if name.startswith(GENERATED):
        return GeneratedImages(name)
    if name.endswith(ANOMALIES):
        return Anomalies(name)
    return located_set(name)


@dataclass(frozen=True)
class FolderImages:
    """``folder:PATH``: all images below any folder."""

    name: str

    def located(self, data: Host) -> ImageSet:
        """All of them; raises FileNotFoundError: no folder. ValueError: no images."""
        folder = Path(self.name.removeprefix(FOLDER)).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{self.name}: {folder} is no folder")
        return FileSet(self.name, folder, image_files(folder), "own")

    def open(self, data: Host) -> ImageSet:
        return unknown_images(self.located(data), data)


@dataclass(frozen=True)
class GeneratedImages:
    """``generated:PATH``: a set that ``python -m anomalies.generate`` made."""

    name: str

    def open(self, data: Host) -> ImageSet:
        folder = Path(self.name.removeprefix(GENERATED))
        images = GeneratedSet(self.name, folder, data.root, data.task_handler.boxed)
        return capped(images, data.limit, data.seed)


@dataclass(frozen=True)
class Anomalies:
    """``NAME-anomalies``: test images of an in-distribution set with anomalies drawn on them on access. The limit
    applies to the clean images, each of which may have several versions.
    """

    name: str

    def open(self, data: Host) -> ImageSet:
        ind = self.name.removesuffix(ANOMALIES)
        own = ind == data.name
        base = data.sets["test"] if own else capped(located_set(ind).located(data), data.limit, data.seed)
        view = DATAMODULES[ind].view()
        return AnomalousSet(base, data.recipe, data.seed, self.name, view, data.severity, data.every_kind)


def taken_as_known(name: str, data: Host) -> ImageSet:
    """At most ``data.limit`` images of a folder or of the test part of an in-distribution set, whatever they show.

    Args:
        name: ``folder:PATH`` or one of `datamodules.DATAMODULES`.

    Raises:
        FileNotFoundError: not there. ValueError: no images.
    """
    source = FolderImages(name) if name.startswith(FOLDER) else located_set(name)
    return capped(source.located(data), data.limit, data.seed)


def located_set(name: str) -> OODSet:
    """The declared OoD set of a name, else the test part of the in-distribution set of that name."""
    if name in OOD_SETS:
        declared: OODSet = OOD_SETS[name]
        return declared
    module = DATAMODULES[name]
    return OODSet(
        name,
        f"test images of {name}",
        module.folders,
        module.source,
        layout=module.layout,
        there=module.is_there,
        read=lambda folder: module(folder).split(folder)["test"],
        fetch=module.fetch if module.can_be_fetched() else None,
    )
