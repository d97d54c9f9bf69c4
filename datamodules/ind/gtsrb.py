"""German Traffic Sign Recognition Benchmark (Stallkamp et al., 2012): the official folders."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import ClassVar

import numpy as np

from datamodules.base import BenchmarkDataModule
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import ClassifiedSet
from datamodules.imagesets.origin import origin_of
from datamodules.imagesets.subset import Subset
from datamodules.loading.augment import shift
from datamodules.loading.samples import Augment
from lsood.images.listing import image_files

CLASSES = (
    "limit_20 limit_30 limit_50 limit_60 limit_70 limit_80 end_of_limit_80 limit_100 limit_120 no_overtaking "
    "no_overtaking_by_trucks right_of_way priority_road give_way stop no_vehicles no_trucks no_entry danger "
    "bend_left bend_right bends bumps slippery narrows_right roadworks signals pedestrians children bicycles ice "
    "animals end_of_limits right_only left_only ahead_only ahead_or_right ahead_or_left keep_right keep_left "
    "roundabout end_of_no_overtaking end_of_no_overtaking_by_trucks"
).split()
PUBLISHED = {"train": 39_209, "test": 12_630}


class GTSRBDataModule(BenchmarkDataModule):
    """43 classes; 9 of 10 tracks fit, the others validate, the official 12,630 images test. A track is one sign
    filmed 30 times: split image by image, as LaREx does, the validation part would hold signs of the fit set.
    """

    name = "gtsrb"
    task = "classification"
    class_names = tuple(CLASSES)
    mean = (0.3337, 0.3064, 0.3171)
    std = (0.2672, 0.2564, 0.2629)
    image_size = (128, 128)
    miniature_size: ClassVar[tuple[int, int] | None] = (32, 32)
    folders = ("GTSRB", "gtsrb", "gtsrb/GTSRB")
    layout = (
        "GTSRB/Final_Training/Images/<class>/*.ppm with GTSRB/Final_Test/Images/{*.ppm,GT-final_test.csv}"
    )
    source = (
        "https://benchmark.ini.rub.de (GTSRB_Final_Training_Images, _Final_Test_Images and _Final_Test_GT)"
    )
    default_network = "resnet18-imagenet"
    miniature_network = "resnet18-small"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "Final_Training" / "Images").is_dir() and (folder / "Final_Test" / "Images").is_dir()

    @property
    def augment(self) -> Augment:
        """Shifts alone: a mirrored sign is another sign."""
        return shift

    @classmethod
    def part(cls, folder: Path, part: str) -> ClassifiedSet:
        """Official "train" or "test"."""
        if part == "train":
            files = image_files(folder / "Final_Training" / "Images", "*/*.ppm")
            classes = [_class_of(path.parent) for path in files]
        else:
            images = folder / "Final_Test" / "Images"
            classes_of = read_classes(images / "GT-final_test.csv")
            files = image_files(images, "*.ppm")
            if unlisted := [path for path in files if path.name not in classes_of]:
                raise ValueError(f"{images / 'GT-final_test.csv'} names no class of {unlisted[0].name}")
            classes = [classes_of[path.name] for path in files]
        if wrong := [c for c in classes if not 0 <= c < len(CLASSES)]:
            raise ValueError(f"{folder}: class {wrong[0]} of {part} is none of 0..{len(CLASSES) - 1}")
        origin = origin_of(folder, len(files), PUBLISHED[part])
        return ClassifiedSet(cls.name, folder, files, classes, origin)

    @classmethod
    def sequence_of(cls, key: str) -> str | None:
        """Class and track of a training image, "00003/00012": one sign filmed 30 times; test images stand alone."""
        folder, _, name = key.rpartition("/")
        track, _, frame = name.partition("_")
        return f"{folder.rpartition('/')[2]}/{track}" if frame else None

    def split(self, folder: Path) -> dict[str, ImageSet]:
        images = self.part(folder, "train")
        tracks = [str(self.sequence_of(key)) for key in images.keys]
        names = sorted(set(tracks))
        order = np.random.default_rng([self.seed, len(names)]).permutation(len(names))
        held = {names[i] for i in order[: max(1, round(0.1 * len(names)))]}
        train, val = (
            Subset(images, [i for i, track in enumerate(tracks) if (track in held) == inside])
            for inside in (False, True)
        )
        return {"train": train, "val": val, "test": self.part(folder, "test")}


def _class_of(folder: Path) -> int:
    if not re.fullmatch("[0-9]{1,9}", folder.name):
        raise ValueError(f"{folder} holds images, but its name is no number of a class such as 00007")
    return int(folder.name)


def read_classes(path: Path) -> dict[str, int]:
    """{file name: class} of an annotation file, ``Filename;...;ClassId``.

    Raises:
        FileNotFoundError: no such file. ValueError: without these columns, or an image named twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; it is in the archive GTSRB_Final_Test_GT.zip")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file, delimiter=";"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    try:
        classes = {line["Filename"]: int(line["ClassId"]) for line in lines}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no columns Filename and ClassId: {error}") from error
    if len(classes) < len(lines):
        raise ValueError(f"{path} names an image more than once")
    return classes
