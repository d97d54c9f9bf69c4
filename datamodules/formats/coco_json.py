"""Label files in COCO's JSON format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.formats.scalabel import read_json
from datamodules.imagesets.boxed import Size
from datamodules.imagesets.boxes import UNKNOWN, Boxes, boxes_of


class Outline(NamedTuple):
    """An object or a crowd: its class index, -1 for none, and what the file has as its segmentation."""

    label: int
    crowd: bool
    segmentation: Any


class Listed(NamedTuple):
    """What a label file says of an image.

    Attributes:
        objects: its boxes. size: (H, W), where it is stated. id: of the image.
        outlines: of its objects and crowds, where they were asked for.
    """

    objects: Boxes
    size: Size | None
    id: Any
    outlines: Sequence[Outline] = ()


Labelled = dict[str, Listed]


def read_categories(path: Path) -> dict[int, str]:
    """{id: name} of the categories of a label file, by id, without one that only stands above all others (Roboflow).

    Raises:
        FileNotFoundError: no such file. ValueError: no COCO file, or one without images or categories.
    """
    content = _content(path)
    for part in ("images", "categories"):
        if not content[part]:
            raise ValueError(f"{path} lists no {part}")
    try:
        found = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        above = {
            entry["id"]
            for entry in content["categories"]
            if entry.get("supercategory") in (None, "", "none")
            and all(e.get("supercategory") == entry["name"] for e in content["categories"] if e is not entry)
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: a category is incomplete: {error}") from None
    if not all(isinstance(number, int) for number in found):
        raise ValueError(f"{path}: the id of a category is no whole number")
    if len(set(found.values())) < len(found):
        twice = next(name for name in found.values() if list(found.values()).count(name) > 1)
        raise ValueError(f"{path}: two categories are named {twice!r}")
    kept = {number: found[number] for number in sorted(found) if number not in above}
    return kept or {number: found[number] for number in sorted(found)}


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(part), list) for part in ("images", "annotations", "categories")
    ):
        raise ValueError(f"{path} is no COCO file: it needs the lists images, annotations and categories")
    return content


def read_coco(path: Path, class_names: Sequence[str] = (), masks: bool = False) -> Labelled:
    """{file name: what the file says} of every image, also of those without objects. Objects with iscrowd are no
    targets, see `datamodules.imagesets.boxes.Regions`.

    Args:
        class_names: objects of other categories get the class -1.
        masks: with the outlines of objects.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged JSON, an entry without what it needs, an object of an
            unknown image or category, or a box that is none (negative width, not finite); names file and image.
    """
    content = _content(path)
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
        outlines: dict[Any, list[Outline]] = {key: [] for key in images}
        labels = {name: i for i, name in enumerate(class_names)}
        for entry in content["annotations"]:
            image, category = entry["image_id"], entry["category_id"]
            if image not in images:
                raise ValueError(f"{path}: an object refers to image {image!r}, which it does not list")
            if category not in names:
                raise ValueError(f"{path}: image {files[image]} has the unknown category {category!r}")
            if masks:
                label = labels.get(names[category], UNKNOWN)
                outlines[image].append(Outline(label, bool(entry.get("iscrowd")), entry.get("segmentation")))
            if entry.get("iscrowd"):
                crowds[image].append((names[category], _corners(entry["bbox"]), True))
            else:
                objects[image].append((names[category], _corners(entry["bbox"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: an image, category or object is incomplete: {error}") from None
    return {
        files[key]: Listed(
            boxes_of(found, f"{path}: image {files[key]}", class_names, crowds[key]),
            _size(images[key]),
            key,
            outlines[key],
        )
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
