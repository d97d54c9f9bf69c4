"""Boxes in Scalabel's JSON format, as BDD100K publishes them: one list of frames."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.imagesets.boxes import Boxes, boxes_of
from lsood.images.listing import composed

SIDES = ("x1", "y1", "x2", "y2")
OTHER_NAMES = {"person": "pedestrian", "bike": "bicycle", "motor": "motorcycle"}
"""Names that BDD100K's earlier label files have for its classes."""


def read_scalabel(
    path: Path,
    class_names: Sequence[str],
    renamed: Mapping[str, str] | None = None,
    ignored: Collection[str] = (),
) -> dict[str, Boxes]:
    """Objects by image name; frames without labels have none. Labels without a box (lanes, areas) are skipped. Objects
    with the attribute "crowd" are no targets, see `datamodules.imagesets.boxes.Regions`.

    Args:
        class_names: the categories there may be.
        renamed: {category in the file: class name}, for older releases.
        ignored: categories whose objects are left out.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged JSON, a frame without a name or listed twice, an
            unknown category, or a box that is none, see `datamodules.imagesets.boxes.boxes_of`; names file and frame.
    """
    frames = read_json(path)
    if not isinstance(frames, list):
        raise ValueError(f"{path} must hold a list of frames")
    found: dict[str, Boxes] = {}
    for frame in frames:
        if not isinstance(frame, dict) or not isinstance(frame.get("name"), str):
            raise ValueError(f"{path} holds a frame without a name")
        where = f"{path}: frame {frame['name']}"
        name = composed(frame["name"])
        if name in found:
            raise ValueError(
                f"{where} is listed more than once; join its entries, or give frames of two videos two names"
            )
        labels = frame.get("labels") or []
        if not isinstance(labels, list):
            raise ValueError(f"{where} has labels that are no list")
        objects = _objects(labels, where, class_names, renamed or {}, ignored)
        plain = [(category, sides) for category, sides, crowd in objects if not crowd]
        crowds = [label for label in objects if label[2]]
        found[name] = boxes_of(plain, where, class_names, crowds)
    return found


def _objects(
    labels: list[Any],
    where: str,
    class_names: Sequence[str],
    renamed: Mapping[str, str],
    ignored: Collection[str],
) -> list[tuple[str, list[Any], bool]]:
    """(category, sides, whether it is a crowd) of every object with a box."""
    objects = []
    for label in labels:
        if not isinstance(label, dict):
            raise ValueError(f"{where} has a label that is no object: {label!r}")
        category = label.get("category", "")
        if not isinstance(category, str):
            raise ValueError(f"{where} has a category that is no text: {category!r:.80}")
        category = renamed.get(category, category)
        if label.get("box2d") is None or category in ignored:
            continue
        if category not in class_names:
            raise ValueError(
                f"{where} has the unknown category {category!r}; categories: {', '.join(class_names)}"
            )
        box = label["box2d"]
        sides = [box.get(side) if isinstance(box, dict) else None for side in SIDES]
        attributes = label.get("attributes")
        objects.append((category, sides, isinstance(attributes, dict) and bool(attributes.get("crowd"))))
    return objects


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged, or cut off.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no whole JSON file: {error}; copy or download it again") from None
