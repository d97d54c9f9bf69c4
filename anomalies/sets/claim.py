"""Whether a set can be written to a folder; all of it is checked before the first file is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from anomalies.sets.layouts import MAPS, Layout
from anomalies.sets.manifest import HEADER, PARTS
from anomalies.sets.plan import CLEAN, Plan, read_header
from anomalies.sets.records import stays_inside
from anomalies.sets.source import Source
from lsood.images.listing import folders_below
from lsood.io import TEMPORARY, write_bytes


def claim(plan: Plan, source: Source, folder: Path) -> None:
    """Start a set in a folder, or continue the same set there.

    Raises:
        ValueError: the folder holds something else or another set, it lies among the images, or two images would have
            the same file.
    """
    check_place(plan, source, folder)
    check_names(plan, source)
    header = plan.header(source)
    if (folder / HEADER).is_file():
        _check_same(folder, header)
        return
    if folder.is_file():
        raise ValueError(f"{folder} is a file: choose another --out")
    if folder.exists() and (not folder.is_dir() or any(map(_is_foreign, folder.iterdir()))):
        raise ValueError(f"{folder} is not empty and holds no generated set: choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / HEADER, (json.dumps(header, indent=1) + "\n").encode())


def _is_foreign(item: Path) -> bool:
    """Whether it is nothing that a command leaves which was killed before its set began."""
    return item.name != PARTS and not fnmatch(item.name, TEMPORARY)


def check_place(plan: Plan, source: Source, folder: Path) -> None:
    """Raise ValueError if the set would lie among its own clean images, links followed: the next run would take its
    images for clean ones.
    """
    images = getattr(source, "folder", None)
    if images is None:
        return
    places = folders_below(images)
    if any(place in places for place in folder.resolve().parents):
        option = "--ind" if plan.source.images is None else "--images"
        raise ValueError(
            f"--out {folder} lies in {option} {images}, where its images would be taken for clean ones: choose a "
            "folder outside"
        )


def check_names(plan: Plan, source: Source) -> None:
    """Raise ValueError if two files of the set would have the same path, or one would lie outside its folder."""
    owners: dict[str, str] = {}
    for path, key in _paths(plan, source):
        if not stays_inside(path):
            raise ValueError(f"{key!r}: its file {path} would lie outside the set; rename the image")
        if path in owners:
            raise ValueError(
                f"{owners[path]!r} and {key!r} would share the file {path} in layout {plan.layout}: "
                "rename one of them, or choose another --layout"
            )
        owners[path] = key


def _paths(plan: Plan, source: Source) -> Iterator[tuple[str, str]]:
    """(path, key) of every file that one variant of the set may have; all variants have the same below their own
    folder.
    """
    layout = Layout(plan.layout, source.keys, plan.codec.suffix)
    label_key = getattr(source, "label_key", None)
    for index, key in enumerate(source.keys):
        if plan.stores_images:
            yield layout.image(CLEAN, key), key
        if not plan.stores_maps:
            continue
        for what in MAPS:
            yield layout.map(what, CLEAN, key), key
        label = None if label_key is None else label_key(index)
        if label is not None:
            yield layout.label(CLEAN, key, label), key


def _check_same(folder: Path, header: dict[str, Any]) -> None:
    stored = read_header(folder)
    there, wanted = stored["identity"], header["identity"]
    for name in wanted:
        if there.get(name) == wanted[name]:
            continue
        if name == "keys":
            raise ValueError(
                f"{folder} holds a set of other images ({stored['images']}, now {header['images']}; files were added, "
                "removed or renamed): choose another --out or the same images"
            )
        raise ValueError(
            f"{folder} holds another set, with {name} {there.get(name)!r} instead of {wanted[name]!r}: "
            "choose another --out or the same options"
        )
