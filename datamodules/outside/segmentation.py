"""``segmentation:DIR``: images, label maps and the names of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.folders import MASK_IDS, Masks, check_masks, paired
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.outside.base import OwnFolder, checked_folder, described
from datamodules.outside.classes import ANOMALY, ClassFile, read_classes
from datamodules.outside.hints import CLASSES, IMAGES, LABELS, refuse_other_layout
from datamodules.outside.parts import part_folders
from datamodules.outside.split_lists import read_lists
from lsood.images.listing import composed, files_below, image_files, key_of, subfolders
from lsood.io import log
from lsood.text import shown

PREFIX = "segmentation:"
MASKS = "masks"
SMALL, LONGEST, STEP = 160, 512, 8


class SegmentationFolder(OwnFolder):
    """``images/`` and ``labels/`` with files of the same names, ``classes.yaml``; parts by folders in both, by lists
    ``train.txt``, ``val.txt`` and ``test.txt``, or drawn.

    Attributes:
        class_file: content of ``classes.yaml``.
    """

    task = "segmentation"
    image_size = (256, 256)
    class_file: ClassVar[ClassFile]

    @property
    def default_network(self) -> str:  # type: ignore[override]
        """A network for the size of the input."""
        return "deeplabv3plus-small" if max(self.image_size) <= SMALL else "deeplabv3plus-resnet18"

    @classmethod
    def own_size(cls, common: tuple[int, int] | None) -> tuple[int, int]:
        """Images of one size keep their aspect ratio, at most 512 pixels long, in steps of 8 where they are larger."""
        if cls.class_file.image_size is not None or common is None:
            return cls.image_size
        scale = min(1.0, LONGEST / max(common))
        height, width = (
            side if scale == 1 else max(STEP, round(side * scale / STEP) * STEP) for side in common
        )
        return height, width

    def split(self, folder: Path) -> dict[str, ImageSet]:
        read_classes(class_path(folder))  # a set of masks alone has no class file
        if len(self.class_names) < 2:
            raise ValueError(
                f"{self.name}: a network needs two classes, {class_path(folder)} names {self.class_names}"
            )
        return super().split(folder)

    @classmethod
    def parts_there(cls) -> dict[str, FileSet]:
        return {
            part: cls._labelled(files, cls.class_file.training_ids) for part, files in cls._files().items()
        }

    @classmethod
    def _files(cls) -> dict[str, list[Path]]:
        """{part: images} of the parts that are there; "train" alone: all images."""
        place = cls.folder / IMAGES
        files = image_files(place)
        if not files:
            raise ValueError(f"{cls.name}: {shown(place)} holds no images")
        keys = [key_of(path, place) for path in files]
        found = read_lists(cls.folder, keys) or _in_part_folders(place, keys)
        if found and (left := set(range(len(files))) - {i for chosen in found.values() for i in chosen}):
            log.warning(
                "%s: %d images are in no part and are left out, e.g. %s", cls.name, len(left), keys[min(left)]
            )
        return {part: [files[i] for i in chosen] for part, chosen in found.items()} or {"train": files}

    @classmethod
    def _labelled(cls, files: Sequence[Path], classes: NDArray[np.uint8], anomaly: bool = False) -> FileSet:
        """Images with their label maps, read as classes or as anomaly masks."""
        pairs = cls._pairs(files, LABELS)
        if without := [path for path in files if path not in pairs]:
            raise ValueError(
                f"{cls.name}: {len(without)} of {len(files)} images have no label map, e.g. {shown(without[0])}: "
                f"{LABELS}/ must hold a .png of the same name in the same sub-folder"
            )
        return FileSet(cls.name, cls.folder, files, "own", Labels(Masks(pairs), classes, anomaly))

    @classmethod
    def _pairs(cls, files: Sequence[Path], maps: str) -> dict[Path, Path]:
        place = cls.folder / maps
        return paired(files, cls.folder / IMAGES, files_below(place, "**/*", {".png"}), place)

    @classmethod
    def as_ood(cls, seed: int) -> ImageSet:
        """With anomaly masks from ``masks/`` (0, 1 and 255: ignore), else from the class "anomaly" of the label maps,
        else without.
        """
        parts = cls._files()
        files = parts.get("test", parts["train"])
        if (cls.folder / MASKS).is_dir():
            pairs = cls._pairs(files, MASKS)
            if without := [path for path in files if path not in pairs]:
                log.warning(
                    "%s: %d of %d images have no mask in %s/ and are left out, e.g. %s",
                    cls.name, len(without), len(files), MASKS, shown(without[0]),
                )  # fmt: skip
            labels = Labels(Masks(pairs), MASK_IDS, anomaly=True)
            images = FileSet(cls.name, cls.folder, list(pairs), "own", labels)
            check_masks(cls.name, list(pairs.values()))
            return images
        if cls.class_file.anomaly is not None:
            return cls._labelled(files, cls.class_file.mask_ids, anomaly=True)
        log.info(
            "%s: no anomaly masks, so scored by image alone; masks are read from %s/ or from a class named %s",
            cls.name, MASKS, ANOMALY,
        )  # fmt: skip
        return FileSet(cls.name, cls.folder, files, "own")


def _in_part_folders(place: Path, keys: Sequence[str]) -> dict[str, list[int]]:
    """{part: positions of its images} of images in folders of parts; {}: there is no folder for "train".

    Raises:
        ValueError: a folder of a part without images.
    """
    folders = part_folders(subfolders(place))
    if "train" not in folders:
        return {}
    names = {composed(shown(path.name)): part for part, path in folders.items()}
    found: dict[str, list[int]] = {part: [] for part in folders}
    for i, key in enumerate(keys):
        if part := names.get(composed(key.partition("/")[0])):
            found[part].append(i)
    if empty := [part for part, chosen in found.items() if not chosen]:
        raise ValueError(f"{shown(folders[empty[0]])} holds no images; fill it, or remove it")
    return found


def class_path(folder: Path) -> Path:
    """The class file of a folder, whether it is there or not."""
    short = folder / "classes.yml"
    return short if short.is_file() else folder / CLASSES


def data_module(folder: Path, keep_together: str | None = None) -> type[OwnFolder]:
    """The data module of a folder, see :class:`SegmentationFolder`; ``classes.yaml`` is read, no image is.

    Raises:
        FileNotFoundError: no such folder, or no class file where there are no masks either. ValueError: another layout,
            or a faulty class file.
    """
    place = checked_folder(PREFIX, folder).resolve()
    below = {path.name: path for path in subfolders(place)}
    if lacking := [f"{name}/" for name in (IMAGES, LABELS) if name not in below]:
        if lacking == [f"{LABELS}/"] and MASKS in below:
            lacking = []
        else:
            refuse_other_layout(PREFIX, place, list(below.values()))
            hint = f"; for class folders name folder:{place}" if len(below) > 1 else ""
            raise ValueError(
                f"{PREFIX}{place} has no {' and no '.join(lacking)}: it needs {IMAGES}/, {LABELS}/ and {CLASSES}{hint}"
            )
    path = class_path(place)
    content = read_classes(path) if path.is_file() or MASKS not in below else ClassFile({})
    stated = {
        name: value for name in ("mean", "std", "image_size") if (value := getattr(content, name)) is not None
    }
    return described(
        SegmentationFolder, PREFIX, place, keep_together,
        class_names=tuple(content.ids), class_file=content, void_id=_void(content), **stated,
    )  # fmt: skip


def _void(content: ClassFile) -> int | None:
    """Id of new objects in label files: that of anomalies, else the first that is ignored."""
    if content.anomaly is not None:
        return content.anomaly
    return content.ignore[0] if content.ignore else None
