"""Checks of what a set's header and manifest say: a set may come from anyone, and its text names files and sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from anomalies.base import SEVERITIES
from lsood.images.headers import LARGEST

STATUS = ("ok", "failed", "skipped")
MAPS = ("mask", "kind", "alpha", "instances", "soiling", "label")
_HEX = frozenset("0123456789abcdef")
Rule = Callable[[Any], bool]


def _number(low: int, high: float = math.inf) -> Rule:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _or_none(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 32 and set(value) <= _HEX


def _hashes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= set(MAPS) and all(map(_hash, value.values()))


def _names(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value))


def stays_inside(value: Any) -> bool:
    """A path that stays below the set's folder, on every operating system."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    windows = PureWindowsPath(value)
    return not (windows.drive or windows.root or value.startswith("/") or ".." in windows.parts)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _table(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 256 and all(map(_number(0, 255), value))


_EVERY: Mapping[str, Rule] = {"id": _text, "key": _text, "status": lambda value: value in STATUS}
_MADE: Mapping[str, Rule] = {
    "pixel_hash": _hash,
    "source_hash": _hash,
    "height": _number(1, LARGEST),
    "width": _number(1, LARGEST),
    "channels": lambda value: value in (1, 3),
    "is_clean_copy": _truth,
    "is_control": _truth,
    "index": _number(0),
    "target": _or_none(_number(-(2**31), 2**31)),
    "map_hashes": _or_none(_hashes),
    "file_bytes": _or_none(lambda value: _names(value) and all(map(_number(0), value.values()))),
    "out_path": _or_none(stays_inside),
    **{f"{what}_path": _or_none(stays_inside) for what in MAPS},
}
_ANOMALOUS: Mapping[str, Rule] = {
    "kind": _text,
    "severity": lambda value: value in SEVERITIES,
    "kind_version": _number(0),
    "params": _names,
    "details": _names,
    "seed": _number(0),
    "attempt": _number(0),
}
_HEADER: Mapping[str, Rule] = {
    "format_version": _number(1),
    "generator": _text,
    "origin": _text,
    "images": _number(0),
    "entries": lambda value: isinstance(value, list),
    "kinds": lambda value: _names(value) and all(map(_number(0, 255), value.values())),
    "variants": _texts,
    "classes": _texts,
    "training_ids": _or_none(_table),
    "identity": _names,
    "source": _names,
    "versions": _names,
}
_IDENTITY: Mapping[str, Rule] = dict.fromkeys(
    ("source", "split", "format", "layout", "materialize", "severity"), _text
)


def checked(record: Any, where: str) -> dict[str, Any]:
    """A record of a manifest, as it is.

    Args:
        where: file and line, for messages.

    Raises:
        ValueError: not a record, or a value that cannot be: a path that leaves the set's folder, a size, a hash.
    """
    if not isinstance(record, dict):
        raise ValueError(f"{where}: not a record of a manifest")
    _check(record, _EVERY, where)
    if record["status"] != "ok":
        return record
    _check(record, _MADE, where)
    if not record["is_clean_copy"]:
        _check(record, _ANOMALOUS, where)
    if record["height"] * record["width"] > LARGEST:
        raise ValueError(
            f"{where}: {record['width']}x{record['height']} is more than {LARGEST >> 20} megapixels"
        )
    for what in MAPS:
        if record.get(f"{what}_path") is not None and what not in (record["map_hashes"] or ()):
            raise ValueError(f"{where}: {what}_path has no hash in map_hashes: the manifest is damaged")
    return record


def checked_header(header: Any, path: Path) -> dict[str, Any]:
    """The content of ``dataset.json``, as it is.

    Raises:
        ValueError: a field is missing or of another form; names the file and the field.
    """
    if not isinstance(header, dict):
        raise ValueError(f"{path} is damaged")
    _check(header, _HEADER, str(path))
    _check(header["identity"], _IDENTITY, str(path))
    _check(header["versions"], {"opencv": _text}, str(path))
    source = header["source"]
    texts = ("ind", "images", "data_root", "keep_together")
    _check(source, {name: _or_none(_text) for name in texts}, str(path))
    _check(source, {"split": _text, "limit": _or_none(_number(1)), "seed": _number(0)}, str(path))
    if further := source.keys() - {*texts, "split", "limit", "seed"}:
        raise ValueError(f"{path}: its source has the unknown field {min(further)!r}")
    return header


def _check(content: Mapping[str, Any], rules: Mapping[str, Rule], where: str) -> None:
    for name, fits in rules.items():
        value = content.get(name)
        if fits(value):
            continue
        outside = name.endswith("_path") and isinstance(value, str)
        why = "would lie outside the set" if outside else "cannot be" if name in content else "is missing"
        raise ValueError(f"{where}: {name} {_short(value)} {why}: the set is damaged or was changed")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
