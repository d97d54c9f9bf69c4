"""OoD sets that follow from their name: anomalies, any folder, generated sets, test parts of in-distribution sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.generated import GeneratedSet
from datamodules.imagesets.subset import capped
from datamodules.ood.base import Host, OODSet, OODSource, unknown_images
from datamodules.ood.known import located_set, tested
from datamodules.ood.naming import own_anomalies, states
from datamodules.outside.hints import warn_of_masks
from datamodules.outside.shared_files import check_apart
from datamodules.registry import (
    ANOMALIES,
    DATAMODULES,
    FOLDER,
    GENERATED,
    OWN_ANOMALIES,
    drawn_on,
    folder_of,
    is_code,
    module_of,
)
from lsood.images.listing import image_files


def derived(name: str) -> OODSource:
    """The OoD set of a name such as "cityscapes-anomalies", "folder:PATH", "generated:PATH" or "gtsrb"."""
    if name == OWN_ANOMALIES or drawn_on(name) is not None:
        return Anomalies(name)
    if name.startswith(GENERATED):
        return GeneratedImages(name)
    return known_images(name)


@dataclass(frozen=True)
class FolderImages:
    """``folder:PATH``: all images below any folder."""

    name: str

    def located(self, data: Host) -> ImageSet:
        """All of them; raises FileNotFoundError: no folder. ValueError: no images."""
        folder = Path(self.name.removeprefix(FOLDER)).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{self.name}: {folder} is no folder")
        files = image_files(folder)
        warn_of_masks(self.name, folder, files)
        return FileSet(self.name, folder, files, "own")

    def open(self, data: Host) -> ImageSet:
        return unknown_images(of_no_part(self.located(data), data), data)


@dataclass(frozen=True)
class OwnSet:
    """``segmentation:DIR``, ``coco:DIR`` or ``file.py:Class``: the test part of a data set of the user, or all images
    of a folder without parts.
    """

    name: str

    def located(self, data: Host) -> ImageSet:
        """All of them.

        Raises:
            FileNotFoundError, ValueError: as the data set raises them; also where it is the data module itself.
        """
        if states(self.name, data):
            raise ValueError(f"{self.name} is the in-distribution set; name another OoD set")
        return own_images(self.name, data, ood=True)

    def open(self, data: Host) -> ImageSet:
        return unknown_images(of_no_part(self.located(data), data), data)


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
    """``NAME-anomalies``, or "anomalies" for the set in use: test images of an in-distribution set with anomalies drawn
    on them on access. The limit applies to the clean images, each of which may have several versions.
    """

    name: str

    def open(self, data: Host) -> ImageSet:
        settings = (data.severity, data.every_kind)
        if own_anomalies(self.name, data):
            name = f"{data.name}{ANOMALIES}"
            base = data.sets["train"] if data.leave_one_out else tested(data.sets["test"])
            return AnomalousSet(base, data.recipe, data.seed, name, data.view(), *settings)
        ind = str(drawn_on(self.name))
        images = located_set(ind).located(data) if ind in DATAMODULES else own_images(ind, data)
        base, view = capped(images, data.limit, data.seed), module_of(ind).view()
        return AnomalousSet(base, data.recipe, data.seed, self.name, view, *settings)


def taken_as_known(name: str, data: Host) -> ImageSet:
    """At most ``data.limit`` images of a folder or of the test part of an in-distribution set, whatever they show.

    Args:
        name: ``folder:PATH``, or as `datamodules.module_of` takes it.

    Raises:
        FileNotFoundError: not there. ValueError: no images, or images that are tested.
    """
    images = known_images(name).located(data)
    check_apart(f"--calibrate-on {name}", images, "the in-distribution test set", data.sets["test"])
    return capped(images, data.limit, data.seed)


def known_images(name: str) -> FolderImages | OwnSet | OODSet:
    """The images of a folder, of a data set of the user, or of a declared or in-distribution set."""
    if name.startswith(FOLDER):
        return FolderImages(name)
    return OwnSet(name) if folder_of(name) is not None or is_code(name) else located_set(name)


def own_images(name: str, data: Host, ood: bool = False) -> ImageSet:
    """The test part of a data set of the user.

    Args:
        ood: all images, with masks where the set has any, of a folder without parts.
    """
    module = module_of(name)
    if ood and module.spec:
        return cast("ImageSet", cast("Any", module).as_ood(data.seed))
    other = module(data.root, seed=data.seed, download=data.download)
    other.prepare_data()
    other.setup()
    return tested(other.sets["test"])


def of_no_part(images: ImageSet, data: Host) -> ImageSet:
    """The images of an OoD set; raises ValueError: some are files of the data module too."""
    for part, own in data.sets.items():
        check_apart(f"OoD set {images.name}", images, f"the in-distribution set, part {part},", own)
    return images
