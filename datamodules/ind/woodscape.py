"""WoodScape (Yogamani et al., ICCV 2019): fisheye frames with semantic labels."""

from __future__ import annotations

import random
from pathlib import Path
from typing import ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.formats.labels import lookup
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from datamodules.imagesets.subset import Subset
from lsood.images.listing import image_files

CLASSES = "void road lanemarks curb person rider vehicles bicycle motorcycle traffic_sign".split()
CLASS_IDS = lookup({i: i for i in range(10)})
SPLIT_SEED = 10


class WoodScapeDataModule(BenchmarkDataModule):
    """10 classes. The set has no official split: as LaREx, the sorted files are shuffled, 10 % test, 20 % of
    the rest validate.
    """

    name = "woodscape"
    task = "segmentation"
    class_names = tuple(CLASSES)
    mean = (0.32757252, 0.33050337, 0.33689716)
    std = (0.20290555, 0.20525302, 0.2037721)
    image_size = (242, 320)
    miniature_size: ClassVar[tuple[int, int] | None] = (121, 160)
    street = True
    folders = ("woodscape", "WoodScape")
    layout = "rgb_images/<id>_<camera>.png with semantic_annotations/gtLabels/<id>_<camera>.png"
    source = "https://woodscape.valeo.com (terms of use)"
    default_network = "deeplabv3plus-resnet18"
    miniature_network = "deeplabv3plus-small"
    default_recipe = "driving"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "rgb_images").is_dir() and (folder / "semantic_annotations").is_dir()

    @classmethod
    def frames(cls, folder: Path) -> FileSet:
        """All labelled frames."""
        files = image_files(folder / "rgb_images", "*")
        return FileSet(
            cls.name, folder, files, origin_of(folder, len(files), 8234), Labels(label_of, CLASS_IDS)
        )

    def split(self, folder: Path) -> dict[str, ImageSet]:
        return split_frames(self.frames(folder), SPLIT_SEED + self.seed)


def split_frames(frames: FileSet, seed: int) -> dict[str, ImageSet]:
    """The reference's seeded split of the sorted frames: 8,234 become 5,929 / 1,482 / 823."""
    order = list(range(len(frames)))
    random.Random(seed).shuffle(order)
    test = max(1, int(0.1 * len(order)))
    val = max(1, int(0.2 * (len(order) - test)))
    parts = {"test": order[:test], "val": order[test : test + val], "train": order[test + val :]}
    return {part: Subset(frames, sorted(indices)) for part, indices in parts.items()}


def label_of(image: Path) -> Path:
    """rgb_images/x.png -> semantic_annotations/gtLabels/x.png."""
    return image.parents[1] / "semantic_annotations" / "gtLabels" / f"{image.stem}.png"
