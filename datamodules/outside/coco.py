"""``coco:DIR``: an object detection set with labels in COCO's format, as COCO, Roboflow and most tools write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from datamodules.formats.coco import CocoSet, boxed_set
from datamodules.formats.coco_layouts import WHOLE, categories_of, label_files, labels_of, shared_categories
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from datamodules.outside.base import OwnFolder, checked_folder, described
from datamodules.outside.parts import divided, drawn
from datamodules.outside.shared_files import check_apart
from lsood.images.listing import image_files
from lsood.text import shown

COCO = "coco:"
LARGEST, SMALL = (800, 1333), 320


class CocoFolder(OwnFolder):
    """The boxes of all categories, by rising id.

    Parts are those of the label files. With "train" and one of "val" and "test", the latter is divided by seed into
    halves that validate and test: a network that was trained on "train" has seen neither. A single label file is
    divided by seed into three parts.

    Images keep their size where all are smaller than 800 x 1333, the bounds of COCO's detectors.

    Attributes:
        labels: {part: its label file, and the folder that its images lie in}.
        category_ids: of the classes.
        kind: of its sets.
    """

    task = "detection"
    image_size = LARGEST
    labels: ClassVar[Mapping[str, tuple[Path, Path]]] = {}
    category_ids: ClassVar[tuple[int, ...]] = ()
    kind: ClassVar[type[CocoSet]] = CocoSet

    @property
    def default_network(self) -> str:  # type: ignore[override]
        """A network for the size of the input."""
        return "faster-rcnn-small" if max(self.image_size) <= SMALL else "faster-rcnn"

    def default_size(self) -> tuple[int, int]:
        train = self.sets["train"]
        shapes = [train.shape(i) for i in range(len(train))]
        sides = max(map(min, shapes)), max(map(max, shapes))
        return min(sides[0], LARGEST[0]), min(sides[1], LARGEST[1])

    @classmethod
    def part(cls, part: str, known: bool = True) -> CocoSet:
        """The images of a part, or of all.

        Args:
            known: objects have their classes; else they are none of the in-distribution classes.

        Raises:
            ValueError: other categories than the set has, or no images.
        """
        path, place = cls.labels[part]
        if known and (other := categories_of(path)) != dict(
            zip(cls.category_ids, cls._categories(), strict=True)
        ):
            first = cls.labels[next(iter(cls.labels))][0]
            raise ValueError(
                f"{shown(path)} has the categories {_told(other)}, {shown(first)} has {_told(categories_of(first))}; "
                "parts of one set need the same"
            )
        masks = known and cls.task == "segmentation"
        labels = labels_of(path, cls._categories() if known else (), masks)
        kind = cls.kind if known else CocoSet
        return boxed_set(cls.name, cls.folder, image_files(place), path, labels, None, kind, own=True)

    @classmethod
    def _categories(cls) -> tuple[str, ...]:
        """Names of the categories."""
        return cls.class_names

    @classmethod
    def parts_there(cls) -> dict[str, FileSet]:
        return {part or "train": cls.part(part) for part in cls.labels}

    def split(self, folder: Path) -> dict[str, ImageSet]:
        if len(self.labels) != 2:
            return super().split(folder)
        train, other = (self.part(part) for part in self.labels)
        held_out = list(self.labels)[1]
        check_apart(f"{self.name}, part train,", train, f"part {held_out}", other)
        try:
            halves = drawn(other.keys, None, self.seed, self.keep_together, {"val": 0.5, "test": 0.5})
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        found = {"train": train, **divided(other, halves)}
        self.tell(found, f"; val and test are halves of {held_out} by seed {self.seed}")
        return found

    @classmethod
    def as_ood(cls, seed: int) -> ImageSet:
        """The test part, else the validation part, or all images of a set without parts; objects of no class."""
        return cls.part(
            next(part for part in ("test", "val", "train", WHOLE) if part in cls.labels), known=False
        )


def data_module(folder: Path, keep_together: str | None = None) -> type[OwnFolder]:
    """The data module of a folder, see :class:`CocoFolder`; its label files are listed, of one the categories are read.

    Raises:
        FileNotFoundError: no such folder. ValueError: no label file, no images or categories in it, or parts without
            "train".
    """
    place = checked_folder(COCO, folder).resolve()
    labels = label_files(COCO, place)
    categories = shared_categories(labels)
    return described(
        CocoFolder,
        COCO,
        place,
        keep_together,
        labels=labels,
        class_names=tuple(categories.values()),
        category_ids=tuple(categories),
    )


def _told(categories: Mapping[int, str]) -> str:
    names = [f"{number} {name}" for number, name in categories.items()]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
