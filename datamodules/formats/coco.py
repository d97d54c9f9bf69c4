"""Folders of images with boxes in COCO's JSON format (Lin et al., ECCV 2014): COCO itself, and OpenImages as VOS
(Du et al., ICLR 2022) ships it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodules.formats.scalabel import read_json
from datamodules.imagesets.boxed import BoxedSet, Size
from datamodules.imagesets.boxes import Boxes, boxes_of
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.origin import MARKER, origin_of
from lsood.images.listing import composed, files_below, image_files
from lsood.io import log

Labelled = dict[str, tuple[Boxes, Size | None]]
LABELS = (
    "**/val_coco_format.json",
    "annotations/instances_val*.json",
    "annotations/instances*.json",
    "*.json",
)
"""Where the labels are looked for below the folder. Of the files that a pattern finds, the one whose images are there
is read; if it finds none, the next pattern's."""


def coco_boxed(name: str, published: int | None = None) -> Callable[[Path], FileSet]:
    """A reader of folders: the images its JSON lists, with their objects; without a JSON all images, without boxes."""

    def load(folder: Path) -> FileSet:
        files = image_files(folder)
        found = _fitting(folder, files)
        if found is None:
            return FileSet(name, folder, files, origin_of(folder, len(files), published))
        log.info("%s: boxes of %s", name, found[0])
        return _labelled(name, folder, files, *found, published)

    return load


def _fitting(folder: Path, files: list[Path]) -> tuple[Path, Labelled] | None:
    """The label file of a folder and its content; None: there is no JSON file.

    Raises:
        ValueError: no file lists an image that is there; what is wrong with the first that was tried.
    """
    first: tuple[Path, Labelled] | None = None
    wrong: ValueError | None = None
    names = {composed(file.name) for file in files}
    for pattern in LABELS:
        best = 0
        chosen: tuple[Path, Labelled] | None = None
        for path in files_below(folder, pattern, {".json"}):
            if path.name == MARKER:
                continue
            try:
                labels = read_coco(path)
            except ValueError as error:
                wrong = wrong or error
                continue
            there = sum(_parts(listed)[-1] in names for listed in labels)
            if there > best:
                best, chosen = there, (path, labels)
            first = first or (path, labels)
        if chosen is not None:
            if wrong is not None:
                log.warning("boxes are read from %s; left out: %s", chosen[0], wrong)
            return chosen
    if first is None and wrong is not None:
        raise wrong
    return first


def _labelled(
    name: str, folder: Path, files: list[Path], path: Path, labels: Labelled, published: int | None
) -> BoxedSet:
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(composed(file.name), []).append(file)
    found: dict[Path, tuple[Boxes, Size | None]] = {}
    missing = []
    for listed, entry in labels.items():
        there = _places(listed, by_name)
        if len(there) > 1:
            raise ValueError(f"{path}: image {listed} could be {there[0]} or {there[1]}; keep one of them")
        if there and there[0] in found:
            raise ValueError(f"{path} lists {there[0]} more than once, e.g. as {listed}")
        if there:
            found[there[0]] = entry
        else:
            missing.append(listed)
    if missing:
        log.warning(
            "%s lists %d images that are not below %s, e.g. %s; they are left out",
            path, len(missing), folder, missing[0],
        )  # fmt: skip
    if not found:
        raise ValueError(f"none of the {len(missing)} images that {path} lists is below {folder}")
    chosen = sorted(found)
    objects, sizes = zip(*(found[file] for file in chosen), strict=True)
    return BoxedSet(name, folder, chosen, origin_of(folder, len(chosen), published), objects, path, sizes)


def _parts(listed: str) -> list[str]:
    """The parts of a path in a label file, whichever system wrote it: "/" and "\\" divide it."""
    return [part for part in composed(listed).replace("\\", "/").split("/") if part not in ("", ".")] or [""]


def _places(listed: str, by_name: dict[str, list[Path]]) -> list[Path]:
    """Files whose path ends as the listed one does; of an absolute path, which another machine may have written, those
    that share the longest end with it.
    """
    parts = _parts(listed)
    there = by_name.get(parts[-1], [])
    shared = [(_shared(file, parts), file) for file in there]
    if listed[:1] in ("/", "\\") or listed[1:2] == ":":
        longest = max((length for length, _ in shared), default=0)
        return [file for length, file in shared if length == longest]
    return [file for length, file in shared if length == len(parts)]


def _shared(file: Path, parts: list[str]) -> int:
    """How many of the last parts two paths share."""
    length = 0
    for ours, theirs in zip(reversed(file.parts), reversed(parts), strict=False):
        if composed(ours) != theirs:
            break
        length += 1
    return length


def read_coco(path: Path) -> Labelled:
    """{file name: (objects, all of class -1; (H, W) the file states)} of every image, also of those without objects.
    Objects with iscrowd are no targets, see `datamodules.imagesets.boxes.Regions`.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged JSON, an entry without what it needs, an object of an
            unknown image or category, or a box that is none (negative width, not finite); names file and image.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(part), list) for part in ("images", "annotations", "categories")
    ):
        raise ValueError(f"{path} is no COCO file: it needs the lists images, annotations and categories")
    try:
        names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        images = {entry["id"]: entry for entry in content["images"]}
        files = {key: str(entry["file_name"]) for key, entry in images.items()}
        if len(set(files.values())) < len(content["images"]):
            raise ValueError(f"{path} lists an image more than once")
        if len(names) < len(content["categories"]):
            raise ValueError(f"{path} gives two categories the same id")
        objects: dict[Any, list[tuple[str, list[Any]]]] = {key: [] for key in images}
        crowds: dict[Any, list[tuple[str, list[Any], bool]]] = {key: [] for key in images}
        for entry in content["annotations"]:
            image, category = entry["image_id"], entry["category_id"]
            if image not in images:
                raise ValueError(f"{path}: an object refers to image {image!r}, which it does not list")
            if category not in names:
                raise ValueError(f"{path}: image {files[image]} has the unknown category {category!r}")
            if entry.get("iscrowd"):
                crowds[image].append((names[category], _corners(entry["bbox"]), True))
            else:
                objects[image].append((names[category], _corners(entry["bbox"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: an image, category or object is incomplete: {error}") from None
    return {
        files[key]: (boxes_of(found, f"{path}: image {files[key]}", left_out=crowds[key]), _size(images[key]))
        for key, found in objects.items()
    }


def _corners(box: list[Any]) -> list[Any]:
    """x, y, width, height to x1 y1 x2 y2."""
    if len(box) != 4:
        raise TypeError(f"bbox {box!r}")
    x, y, width, height = box
    return [x, y, x + width, y + height]


def _size(image: dict[str, Any]) -> Size | None:
    """(H, W) of an entry; None where it states none, as -1 or 0 does."""
    height, width = image.get("height"), image.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None
