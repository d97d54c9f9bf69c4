"""Fishyscapes Lost & Found (Blum et al., IJCV 2021; frames of Pinggera et al., IROS 2016)."""

from __future__ import annotations

from pathlib import Path

from datamodules.formats.folders import with_masks
from datamodules.ood.base import OODSet


def _there(folder: Path) -> bool:
    return (folder / "labels").is_dir() and (folder / "images").is_dir()


def _mask_of(image: Path) -> Path:
    matches = sorted((image.parents[1] / "labels").glob(f"*{image.stem}_labels.png"))
    return matches[0] if matches else image.parents[1] / "labels" / f"{image.stem}_labels.png"


FISHYSCAPES = OODSet(
    name="fishyscapes",
    description="Fishyscapes Lost & Found, 100 frames with masks",
    folders=("fishyscapes", "fs_lost_found"),
    source="https://fishyscapes.com/dataset and the Lost and Found data set it refers to",
    layout="fishyscapes/images/*.png with fishyscapes/labels/*_labels.png",
    there=_there,
    read=with_masks("fishyscapes", 100, "images", _mask_of),
)
