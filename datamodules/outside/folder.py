"""``folder:DIR``: an image classification set in class folders, or images without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from datamodules.imagesets.files import ClassifiedSet, FileSet
from datamodules.outside.base import OwnFolder, checked_folder, described
from datamodules.outside.hints import refuse_other_layout
from datamodules.outside.parts import part_folders
from datamodules.registry import FOLDER
from lsood.images.listing import composed, image_files, subfolders
from lsood.io import log
from lsood.text import shown

SMALL = 64


class ImageFolder(OwnFolder):
    """Class folders in the order of their names, in folders of parts or not; without class folders images alone, which
    have no labels: ``class_names`` is empty then, and the network says how many classes there are.

    Attributes:
        part_folders: {"train", "val", "test": folder} of the parts that are there; {}: none, all are drawn.
    """

    task = "classification"
    # Of a few hundred images: the classifiers' default, made for tens of thousands, takes five steps an epoch there.
    training_config: ClassVar[Mapping[str, Any] | None] = {
        "epochs": 30,
        "batch_size": 32,
        "optimizer": "adam",
        "lr": 1e-3,
        "weight_decay": 1e-4,
    }
    class_names: ClassVar[tuple[str, ...]] = ()
    part_folders: ClassVar[dict[str, Path]] = {}

    @property
    def default_network(self) -> str:  # type: ignore[override]
        """A network for the size of the input."""
        return "resnet18-small" if max(self.image_size) <= SMALL else "resnet18-imagenet"

    @classmethod
    def parts_there(cls) -> dict[str, FileSet]:
        places = cls.part_folders or {"train": cls.folder}
        return {part: cls._images(place) for part, place in places.items()}

    @classmethod
    def _images(cls, place: Path) -> FileSet:
        """The images of a part, or of all."""
        files = image_files(place)
        if not files:
            raise ValueError(f"{cls.name}: {shown(place)} holds no images")
        if not cls.class_names:
            return FileSet(cls.name, cls.folder, files, "own")
        names = {composed(name): i for i, name in enumerate(cls.class_names)}
        inside = [path for path in files if path.parent != place]
        if len(inside) < len(files):
            beside = next(path for path in files if path.parent == place)
            log.warning(
                "%s: %d images lie in no class folder and are left out, e.g. %s",
                cls.name, len(files) - len(inside), shown(beside),
            )  # fmt: skip
        classes = [names[composed(shown(path.relative_to(place).parts[0]))] for path in inside]
        if not inside:
            raise ValueError(f"{cls.name}: {shown(place)} holds no images in class folders")
        if place in (cls.folder, cls.part_folders.get("train")) and len(set(classes)) < len(names):
            empty = cls.class_names[min(set(range(len(names))) - set(classes))]
            raise ValueError(
                f"{cls.name}: class folder {shown(place / empty)} holds no images; fill it, or remove it"
            )
        return ClassifiedSet(cls.name, cls.folder, inside, classes, "own")


def data_module(folder: Path, keep_together: str | None = None) -> type[OwnFolder]:
    """The data module of a folder, see :class:`ImageFolder`; class folders are listed, no image is read.

    Raises:
        FileNotFoundError: no such folder. ValueError: a single class, classes of a part that "train" does not have, or
            another layout.
    """
    place = checked_folder(FOLDER, folder).resolve()
    below = subfolders(place)
    refuse_other_layout(FOLDER, place, below)
    parts = _parts(place, below)
    classes = _class_names(place, parts, below)
    return described(ImageFolder, FOLDER, place, keep_together, class_names=classes, part_folders=parts)


def _parts(place: Path, below: Sequence[Path]) -> dict[str, Path]:
    """The folders of parts; {} where the folders are classes: "train" is one too where no other part is beside it and
    its images are in no further folders.
    """
    parts = part_folders(below)
    if "train" not in parts:
        if parts and len(parts) == len(below):
            there = ", ".join(f"{path.name}/" for path in parts.values())
            raise ValueError(
                f"{FOLDER}{place} has {there} and no train/: methods are fitted on images of train/"
            )
        return {}
    if len(parts) == 1 < len(below) and not subfolders(parts["train"]):
        return {}
    if others := [path.name for path in below if path not in parts.values()]:
        log.warning("%s: beside its parts there is %s/, which is not read", shown(place), shown(others[0]))
    return parts


def _class_names(place: Path, parts: dict[str, Path], below: Sequence[Path]) -> tuple[str, ...]:
    """Names of the class folders; () where there are none."""
    found = {part: [shown(path.name) for path in subfolders(folder)] for part, folder in parts.items()}
    names = found["train"] if parts else [shown(path.name) for path in below]
    if len(names) == 1:
        where = parts.get("train", place)
        raise ValueError(
            f"{FOLDER}{place} has one class folder, {shown(where / names[0])}: a classifier needs at least two; of "
            "images without labels name the folder that holds them"
        )
    known = {composed(name) for name in names}
    if len(known) < len(names):
        raise ValueError(
            f"{FOLDER}{place} has two class folders of one name, with accents stored in two ways"
        )
    for part, others in found.items():
        if strange := [name for name in others if composed(name) not in known]:
            have = (
                f"the classes of train are {', '.join(names[:10])}" if names else "train has no class folders"
            )
            raise ValueError(
                f"{FOLDER}{place}: {parts[part].name}/ has the class folder {strange[0]!r}; {have}"
            )
        if names and not others:
            raise ValueError(
                f"{FOLDER}{place}: {parts[part].name}/ has no class folders, {parts['train'].name}/ has"
            )
    return tuple(names)
