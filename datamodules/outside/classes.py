"""``classes.yaml``: names and ids of the classes of a segmentation set of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.yaml_text import read_yaml
from datamodules.formats.labels import IGNORE, lookup

ANOMALY = "anomaly"
"""A class of this name is none of the network's: its pixels are ignored in-distribution, and the mask of OoD sets."""
MOST = 254
_FIELDS = ("classes", "ignore", "mean", "std", "image_size")
_EXAMPLE = "write a list of names in the order of the ids, or id: name for each, such as {0: road, 1: car}"


@dataclass(frozen=True)
class ClassFile:
    """What a class file says.

    Attributes:
        ids: {name: id in the label files}, in the order of the ids, without `ANOMALY`.
        ignore: ids of pixels that do not count.
        anomaly: id of `ANOMALY`; None: there is none.
        mean, std, image_size: of the network's input; None: not stated.
    """

    ids: Mapping[str, int]
    ignore: tuple[int, ...] = ()
    anomaly: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: tuple[int, int] | None = None

    @property
    def training_ids(self) -> NDArray[np.uint8]:
        """(256,) class index of every id; 255 is ignored unless it is a class."""
        void = dict.fromkeys(
            (IGNORE, *self.ignore, *(() if self.anomaly is None else (self.anomaly,))), IGNORE
        )
        return lookup(void | {file_id: i for i, file_id in enumerate(self.ids.values())})

    @property
    def mask_ids(self) -> NDArray[np.uint8]:
        """(256,) 1 of the anomaly's id, 0 of classes, 255 of ignored ids."""
        table = self.training_ids.copy()
        table[list(self.ids.values())] = 0
        table[self.anomaly] = 1
        return table


def read_classes(path: Path) -> ClassFile:
    """The content of a class file: a list of names, a mapping of ids and names in either direction, or one with the
    field "classes" for these and any of "ignore" (ids), "mean", "std" (three numbers for images in [0, 1]) and
    "image_size" (height, width). The classes may also stand beside the other fields; a class of the name
    "ignore" is ignored.

    Raises:
        FileNotFoundError: no such file. ValueError: anything else, in one line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; {_EXAMPLE}")
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        return _class_file(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _class_file(content: Any) -> ClassFile:
    options: dict[str, Any] = {}
    if isinstance(content, dict):
        options = {
            name: content[name]
            for name in _FIELDS
            if name in content and (name == "ignore" or not _is_id(content[name]))
        }
        rest = {name: value for name, value in content.items() if name not in options}
        if "classes" in options and rest:
            raise ValueError(f"unknown field {next(iter(rest))!r}; fields: {', '.join(_FIELDS)}")
        content = options.pop("classes", rest)
    ids = _ids(content)
    ignore = options.get("ignore", [])
    ignore = [ignore] if _is_id(ignore) else ignore
    if not isinstance(ignore, list) or not all(_is_id(i) for i in ignore):
        raise ValueError(f"ignore must be a list of ids from 0 to 255, got {ignore!r}")
    if both := set(ignore) & set(ids.values()):
        raise ValueError(f"id {min(both)} is a class and ignored; it must be one of them")
    anomaly = ids.pop(ANOMALY, None)
    if len(ids) > MOST:
        raise ValueError(f"{len(ids)} classes; at most {MOST} fit into label maps")
    if ("mean" in options) != ("std" in options):
        raise ValueError("mean and std belong together; name both")
    mean, std = (_numbers(options, name, 3) for name in ("mean", "std"))
    if std is not None and min(std) <= 0:
        raise ValueError(f"std must be above 0, got {options['std']}")
    size = _numbers(options, "image_size", 2)
    if size is not None and (min(size) < 1 or any(side != int(side) for side in size)):
        raise ValueError(f"image_size must be height and width in pixels, got {options['image_size']}")
    image_size = None if size is None else (int(size[0]), int(size[1]))
    return ClassFile(ids, tuple(ignore), anomaly, mean, std, image_size)


def _ids(content: Any) -> dict[str, int]:
    """{name: id} by rising id."""
    if isinstance(content, list):
        pairs = [(name, i) for i, name in enumerate(content)]
    elif isinstance(content, dict) and content:
        by_id = all(isinstance(key, int) and not isinstance(key, bool) for key in content)
        pairs = [(value, key) if by_id else (key, value) for key, value in content.items()]
    else:
        raise ValueError(f"holds no classes; {_EXAMPLE}")
    for name, file_id in pairs:
        if not isinstance(name, str) or not name.strip() or not _is_id(file_id):
            raise ValueError(
                f"{name!r}: {file_id!r} is no class with a name and an id from 0 to 255 (in YAML names such as no, off "
                f"and 1 need quotes); {_EXAMPLE}"
            )
    names, ids = [name for name, _ in pairs], [file_id for _, file_id in pairs]
    for what, values in (("name", names), ("id", ids)):
        if twice := [value for value in values if values.count(value) > 1]:
            raise ValueError(f"two classes have the {what} {twice[0]!r}")
    return dict(sorted(pairs, key=lambda pair: pair[1]))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _numbers(options: Mapping[str, Any], name: str, count: int) -> tuple[float, ...] | None:
    if name not in options:
        return None
    found = options[name]
    fits = isinstance(found, list) and len(found) == count
    if not fits or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in found):
        raise ValueError(f"{name} must be a list of {count} numbers, got {found!r}")
    return tuple(float(value) for value in found)
