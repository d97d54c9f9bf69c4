"""Fishyscapes Lost & Found (Blum et al., IJCV 2021; frames of Pinggera et al., IROS 2016)."""

from __future__ import annotations

import re
from pathlib import Path

from datamodules.formats.folders import with_masks
from datamodules.ood.base import OODSet
from lsood.images.listing import composed, image_files

END = "_labels.png"


def _there(folder: Path) -> bool:
    return (folder / "labels").is_dir() and (folder / "images").is_dir()


class Numbered:
    """The mask of a frame x: NNNN_x_labels.png, as published, or x_labels.png.

    Raises:
        ValueError: when asked for a frame that has two.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "labels"
        self.by_stem: dict[str, list[Path]] = {}
        for path in image_files(self.folder, f"*{END}"):
            stem = composed(path.name.removesuffix(END))
            self.by_stem.setdefault(stem, []).append(path)
            if re.match(r"\d{4}_.", stem):
                self.by_stem.setdefault(stem[5:], []).append(path)

    def __call__(self, image: Path) -> Path:
        found = self.by_stem.get(composed(image.stem), [self.folder / f"{image.stem}{END}"])
        if len(found) > 1:
            raise ValueError(f"frame {image} could have the mask {found[0]} or {found[1]}; keep one of them")
        return found[0]


FISHYSCAPES = OODSet(
    name="fishyscapes",
    description="Fishyscapes Lost & Found, 100 frames with masks",
    folders=("fishyscapes", "fs_lost_found"),
    source="https://fishyscapes.com/dataset and the Lost and Found data set it refers to",
    layout="fishyscapes/images/*.png with fishyscapes/labels/*_labels.png",
    there=_there,
    read=with_masks("fishyscapes", 100, "images", Numbered),
    smallest_components=(500, 100),  # SegmentMeIfYouCan evaluates it with its anomaly track's sizes
)
