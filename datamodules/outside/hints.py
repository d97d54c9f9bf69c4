"""Which layout a folder of the user has, where it is another one than its prefix says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datamodules.outside.parts import part_folders

IMAGES, LABELS, CLASSES = "images", "labels", "classes.yaml"
_COCO = ("annotations/*.json", "*.coco.json")


def refuse_other_layout(prefix: str, folder: Path, below: Sequence[Path]) -> None:
    """Raises ValueError: the folder is laid out for another prefix, which is named.

    Args:
        below: the folders in it.
    """
    names = {path.name for path in below}
    places = [folder, *part_folders(below).values()]
    if {IMAGES, LABELS} <= names and prefix != "segmentation:":
        _refuse(prefix, folder, f"{IMAGES}/ and {LABELS}/", "segmentation:")
    if prefix != "coco:" and (
        found := [p for place in places for pattern in _COCO for p in place.glob(pattern)]
    ):
        _refuse(prefix, folder, found[0].relative_to(folder).as_posix(), "coco:")


def _refuse(prefix: str, folder: Path, has: str, right: str) -> None:
    raise ValueError(f"{prefix}{folder} has {has}: name it as {right}{folder}")
