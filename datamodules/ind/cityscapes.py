"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit and gtFine."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.formats.labels import IGNORE, lookup
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from datamodules.imagesets.subset import hold_out, train_alone
from lsood.images.listing import image_files

CLASSES = (
    "road sidewalk building wall fence pole traffic_light traffic_sign vegetation terrain sky "
    "person rider car truck bus train motorcycle bicycle"
).split()
TRAIN_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
LABEL_IDS = lookup(dict.fromkeys(range(34), IGNORE) | {255: IGNORE} | {i: t for t, i in enumerate(TRAIN_IDS)})
PUBLISHED = {"train": 2975, "val": 500}


class CityscapesDataModule(BenchmarkDataModule):
    """19 classes from labelIds, everything else ignored. Official train less 10 % fits, those 10 % validate,
    official val tests. Official train may be there alone, see `datamodules.imagesets.subset.train_alone`.
    """

    name = "cityscapes"
    task = "segmentation"
    class_names = tuple(CLASSES)
    # Measured on the published camera files: row 427 of 1024, 1.22 m above the road.
    horizon = 427 / 1024
    camera_height = 1.22
    mean = (0.28689554, 0.32513303, 0.28389177)
    std = (0.18696375, 0.19017339, 0.18720214)
    image_size = (256, 512)
    miniature_size: ClassVar[tuple[int, int] | None] = (128, 256)
    street = True
    folders = ("cityscapes", "Cityscapes", "CityScapes")
    layout = "leftImg8bit/{train,val}/<city>/*_leftImg8bit.png with gtFine/{train,val}/<city>/*_gtFine_labelIds.png"
    source = "https://www.cityscapes-dataset.com (registration)"
    default_network = "deeplabv3plus-resnet18"
    miniature_network = "deeplabv3plus-small"
    default_recipe = "driving"
    void_id = 5

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return any((folder / "leftImg8bit" / part).is_dir() for part in PUBLISHED)

    @classmethod
    def part(cls, folder: Path, part: str) -> FileSet:
        """The official split "train" or "val"."""
        images = folder / "leftImg8bit" / part
        files = image_files(images, "*/*_leftImg8bit.*")
        return FileSet(
            cls.name,
            folder,
            files,
            origin_of(folder, len(files), PUBLISHED[part]),
            Labels(label_of, LABEL_IDS),
        )

    @classmethod
    def sequence_of(cls, key: str) -> str | None:
        """City and sequence number: "frankfurt_000001"."""
        city, *numbers = Path(key).name.split("_")
        return f"{city}_{numbers[0]}" if len(numbers) > 1 else None

    def split(self, folder: Path) -> dict[str, ImageSet]:
        if not (folder / "leftImg8bit" / "val").is_dir():
            return train_alone(self.part(folder, "train"), self.seed)
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "val")}


def label_of(image: Path) -> Path:
    """leftImg8bit/<split>/<city>/x_leftImg8bit.png -> gtFine/<split>/<city>/x_gtFine_labelIds.png."""
    city, split, root = image.parent.name, image.parents[1].name, image.parents[3]
    return (
        root
        / "gtFine"
        / split
        / city
        / image.name.replace(f"_leftImg8bit{image.suffix}", "_gtFine_labelIds.png")
    )
