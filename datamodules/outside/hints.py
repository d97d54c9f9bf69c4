"""Which layout a folder of the user has, where it is another one than its prefix says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.outside.parts import part_folders
from lsood.io import log

IMAGES, LABELS, CLASSES = "images", "labels", "classes.yaml"
_MASKS = re.compile(r"(?i)(^|[_-])(masks?|labels?|annot(ation)?s?|gt)")
"""What folders of masks and label maps are called."""
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


def warn_of_masks(name: str, folder: Path, files: Sequence[Path]) -> None:
    """Warn where files that lie in a folder of label maps or masks would be scored as images.

    Args:
        files: images below the folder.
    """
    places = Counter(path.relative_to(folder).parts[0] for path in files if path.parent != folder)
    masks = [place for place in places if _MASKS.search(place)]
    if masks and len(places) > len(masks):
        log.warning(
            "%s: the %d files in %s/ are scored as images; if they are masks, name folder:%s",
            name, places[masks[0]], masks[0], folder / next(p for p in places if p not in masks),
        )  # fmt: skip


def _refuse(prefix: str, folder: Path, has: str, right: str) -> None:
    raise ValueError(f"{prefix}{folder} has {has}: name it as {right}{folder}")
