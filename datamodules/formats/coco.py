"""Folders of images with boxes in COCO's JSON format (Lin et al., ECCV 2014): COCO itself, and OpenImages as VOS
(Du et al., ICLR 2022) ships it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datamodules.formats.listing import image_files
from datamodules.formats.scalabel import read_json
from datamodules.imagesets.boxed import BoxedSet, Size
from datamodules.imagesets.boxes import Boxes, boxes_of
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.origin import MARKER, origin_of
from lsood.io import log

LABELS = (
    "**/val_coco_format.json",
    "annotations/instances_val*.json",
    "annotations/instances*.json",
    "*.json",
)
"""Where the labels are looked for below the folder; the first that is there is read."""


def coco_boxed(name: str, published: int | None = None) -> Callable[[Path], FileSet]:
    """A reader of folders: the images its JSON lists, with their objects; without a JSON all images, without boxes."""

    def load(folder: Path) -> FileSet:
        files = image_files(folder)
        path = next((p for p in _candidates(folder) if p.name != MARKER), None)
        if path is None:
            return FileSet(name, folder, files, origin_of(folder, len(files), published))
        log.info("%s: boxes of %s", name, path)
        return _labelled(name, folder, files, path, published)

    return load


def _candidates(folder: Path) -> Iterable[Path]:
    for pattern in LABELS:
        yield from sorted(folder.glob(pattern))


def _labelled(name: str, folder: Path, files: list[Path], path: Path, published: int | None) -> BoxedSet:
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    found: dict[Path, tuple[Boxes, Size | None]] = {}
    missing = []
    for listed, entry in read_coco(path).items():
        there = [file for file in by_name.get(Path(listed).name, []) if _ends(file, listed)]
        if len(there) > 1:
            raise ValueError(f"{path}: image {listed} could be {there[0]} or {there[1]}; keep one of them")
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


def _ends(file: Path, listed: str) -> bool:
    parts = Path(listed).parts
    return file.parts[-len(parts) :] == parts


def read_coco(path: Path) -> dict[str, tuple[Boxes, Size | None]]:
    """{file name: (objects, all of class -1; (H, W) the file states)} of every image, also of those without objects.

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
        if len(set(files.values())) < len(files):
            raise ValueError(f"{path} lists an image more than once")
        objects: dict[Any, list[tuple[str, list[Any]]]] = {key: [] for key in images}
        for entry in content["annotations"]:
            image, category = entry["image_id"], entry["category_id"]
            if image not in images:
                raise ValueError(f"{path}: an object refers to image {image!r}, which it does not list")
            if category not in names:
                raise ValueError(f"{path}: image {files[image]} has the unknown category {category!r}")
            objects[image].append((names[category], _corners(entry["bbox"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: an image, category or object is incomplete: {error}") from None
    return {
        files[key]: (boxes_of(found, f"{path}: image {files[key]}"), _size(images[key]))
        for key, found in objects.items()
    }


def _corners(box: list[Any]) -> list[Any]:
    """x, y, width, height to x1 y1 x2 y2."""
    if len(box) != 4:
        raise TypeError(f"bbox {box!r}")
    x, y, width, height = box
    return [x, y, x + width, y + height]


def _size(image: dict[str, Any]) -> Size | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
