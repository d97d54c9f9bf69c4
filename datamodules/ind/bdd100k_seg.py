"""The segmentation labels of BDD100K (Yu et al., CVPR 2020): the 10k subset."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.formats.labels import IGNORE, lookup
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from datamodules.imagesets.subset import hold_out, train_alone
from datamodules.ind.cityscapes import CLASSES
from lsood.images.listing import image_files

CLASS_IDS = lookup({i: i for i in range(19)} | {IGNORE: IGNORE})
PUBLISHED = {"train": 7000, "val": 1000}


class BDD100kSegmentationDataModule(BenchmarkDataModule):
    """The segmentation labels of images/10k, 19 training ids. Official train less 10 % fits, those validate,
    official val tests. Official train may be there alone, see `datamodules.imagesets.subset.train_alone`.

    Normalised with ImageNet's constants.
    """

    name = "bdd100k-seg"
    task = "segmentation"
    class_names = tuple(CLASSES)
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    image_size = (180, 320)
    miniature_size: ClassVar[tuple[int, int] | None] = (90, 160)
    street = True
    folders = ("bdd100k", "BDD100K")
    layout = "images/10k/{train,val}/*.jpg with labels/sem_seg/masks/{train,val}/*.png"
    source = "https://bdd-data.berkeley.edu (registration)"
    default_network = "deeplabv3plus-resnet18"
    miniature_network = "deeplabv3plus-small"
    default_recipe = "driving"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return any((folder / "images" / "10k" / part).is_dir() for part in PUBLISHED)

    @classmethod
    def part(cls, folder: Path, part: str) -> FileSet:
        """Official "train" or "val" of the segmentation subset."""
        files = image_files(folder / "images" / "10k" / part, "*")
        return FileSet(
            cls.name,
            folder,
            files,
            origin_of(folder, len(files), PUBLISHED[part]),
            Labels(label_of, CLASS_IDS),
        )

    def split(self, folder: Path) -> dict[str, ImageSet]:
        if not (folder / "images" / "10k" / "val").is_dir():
            return train_alone(self.part(folder, "train"), self.seed)
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "val")}


def label_of(image: Path) -> Path:
    """images/10k/<split>/x.jpg -> labels/sem_seg/masks/<split>/x.png."""
    return image.parents[3] / "labels" / "sem_seg" / "masks" / image.parent.name / f"{image.stem}.png"
