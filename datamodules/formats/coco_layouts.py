"""Which label files and parts a folder in COCO's format has, whichever tool wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from datamodules.formats.coco_json import Labelled, read_categories, read_coco
from datamodules.outside.parts import SPELLINGS
from lsood.images.listing import files_below, image_files, subfolders
from lsood.io import log
from lsood.text import shown

WHOLE = ""
"""Part of a set that has no parts."""
OTHER_LABELS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")
"""How names of COCO's label files begin that hold no boxes of all classes, or none at all."""
EXPECTED = (
    "annotations/instances_train*.json and instances_val*.json, train/_annotations.coco.json and its like in valid/ "
    "and test/, or one .json file beside the images"
)


def label_files(prefix: str, folder: Path) -> dict[str, tuple[Path, Path]]:
    """{"train", "val", "test": label file, folder of its images} of the parts that are there; {WHOLE: ...}: one file
    without parts.

    Raises:
        ValueError: no label file, several for one part or for none, or no "train" beside other parts.
    """
    there = files_below(folder, "**/*.json", {".json"})
    own = [path for path in there if path.name == "_annotations.coco.json"]
    own = own or [path for path in there if path.name.startswith("instances")]
    own = own or [
        path
        for path in there
        if path.parent in (folder, folder / "annotations") and not path.name.startswith(OTHER_LABELS)
    ]
    if not own:
        raise ValueError(f"{prefix}{shown(folder)} has no label file; expected {EXPECTED}")
    found: dict[str, list[Path]] = {}
    for path in own:
        found.setdefault(_part(path, folder), []).append(path)
    if WHOLE in found and len(found) > 1:
        raise ValueError(
            f"{prefix}{shown(folder)}: {shown(found[WHOLE][0])} names no part (train, val, test); the others do"
        )
    chosen = {part: _fitting(prefix, folder, part, paths) for part, paths in found.items()}
    if WHOLE not in chosen and len(chosen) == 1:
        ((part, (path, place)),) = chosen.items()
        log.info("%s%s has the part %s alone", prefix, shown(folder), part)
        return {WHOLE: (path, place)}
    if WHOLE not in chosen and "train" not in chosen:
        names = " and ".join(shown(path.relative_to(folder)) for path, _ in chosen.values())
        raise ValueError(f"{prefix}{shown(folder)} has {names} and none for train: methods are fitted on it")
    return {part: chosen[part] for part in (*SPELLINGS, WHOLE) if part in chosen}


def _part(path: Path, folder: Path) -> str:
    """The part that a label file or its folder names; WHOLE: none."""
    for name in (path.stem, *(parent.name for parent in path.parents if folder in parent.parents)):
        words = re.findall("[a-z]+", name.lower())
        for part, spellings in SPELLINGS.items():
            if set(words) & set(spellings):
                return part
    return WHOLE


def _fitting(prefix: str, folder: Path, part: str, paths: Sequence[Path]) -> tuple[Path, Path]:
    """Of the label files of a part the one most of whose images are there, and where these are.

    Raises:
        ValueError: two list as many.
    """
    places = [_images_of(path, folder, part) for path in paths]
    if len(paths) == 1:
        return paths[0], places[0]
    counts = []
    for path, place in zip(paths, places, strict=True):
        names = {file.name for file in image_files(place)}
        listed = labels_of(path)
        counts.append(sum(re.split(r"[\\/]", name)[-1] in names for name in listed))
    if sorted(counts)[-1] == sorted(counts)[-2]:
        told = " and ".join(shown(path.relative_to(folder)) for path in paths)
        raise ValueError(
            f"{prefix}{shown(folder)}: {told} could both be the labels of {part or 'the images'}; keep one"
        )
    best = counts.index(max(counts))
    log.info("%s%s: of %d label files %s is read", prefix, shown(folder), len(paths), shown(paths[best].name))
    return paths[best], places[best]


def _images_of(path: Path, folder: Path, part: str) -> Path:
    """Where the images of a label file lie: in its own folder where images are in it, else in the folder of its part,
    that of the year of the file if there is one, else anywhere below the folder.
    """
    if path.parent not in (folder, folder / "annotations") and image_files(path.parent):
        return path.parent
    wanted = re.findall(r"[a-z]+\d*", path.stem.lower())
    below = [place for top in (folder, folder / "images") if top.is_dir() for place in subfolders(top)]
    exact = [place for place in below if place.name.lower() in wanted]
    named = [
        place
        for place in below
        if part and _part(place / "x", folder) == part and place.name != "annotations"
    ]
    return next(iter([*exact, *named]), folder)


def labels_of(path: Path, class_names: tuple[str, ...] = (), masks: bool = False) -> Labelled:
    """What a label file says, see `datamodules.formats.coco_json.read_coco`; read once as long as it does not change.

    Raises:
        ValueError: it lists no images.
    """
    return _read(path, _state(path), class_names, masks)


def categories_of(path: Path) -> dict[int, str]:
    """{id: name} of the categories of a label file, see `datamodules.formats.coco_json.read_categories`."""
    return _categories(path, _state(path))


def shared_categories(labels: Mapping[str, tuple[Path, Path]]) -> dict[int, str]:
    """{id: name} of the categories of a set, from the smallest of its label files."""
    return categories_of(min((path for path, _ in labels.values()), key=lambda path: path.stat().st_size))


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=8)
def _read(path: Path, state: tuple[int, int], class_names: tuple[str, ...], masks: bool) -> Labelled:
    labels = read_coco(path, class_names, masks)
    if not labels:
        raise ValueError(f"{shown(path)} lists no images")
    return labels


@lru_cache(maxsize=8)
def _categories(path: Path, state: tuple[int, int]) -> dict[int, str]:
    return read_categories(path)
