"""Folders of images with boxes in COCO's JSON format (Lin et al., ECCV 2014): COCO itself, and OpenImages as VOS
(Du et al., ICLR 2022) ships it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datamodules.formats.coco_json import Labelled, Listed, read_coco
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.origin import MARKER, origin_of
from lsood.images.listing import composed, files_below, image_files
from lsood.io import log

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
        return boxed_set(name, folder, files, *found, published)

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
            there = sum(listed_parts(listed)[-1] in names for listed in labels)
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


class CocoSet(BoxedSet):
    """Images with boxes of a label file in COCO's format.

    Attributes:
        image_ids: of every image, as its label file has it.
        listed: what it says of every image.
    """

    image_ids: list[Any]
    listed: list[Listed]


Set = TypeVar("Set", bound=CocoSet)


def boxed_set(
    name: str,
    folder: Path,
    files: Sequence[Path],
    path: Path,
    labels: Labelled,
    published: int | None,
    kind: type[Set] = CocoSet,  # type: ignore[assignment]
    own: bool = False,
) -> Set:
    """The images that a label file lists, of those that are there; a warning counts those that are not.

    Args:
        folder: the keys are the files' paths below it. files: that are there. path: of the label file.
        kind: of the set. own: these are files of the user.

    Raises:
        ValueError: none is there, or a listed name could be two files.
    """
    chosen = _found(folder, files, path, labels)
    listed = [labels[name] for name in chosen.values()]
    origin = "own" if own else origin_of(folder, len(chosen), published)
    objects, sizes = [one.objects for one in listed], [one.size for one in listed]
    made = kind(name, folder, list(chosen), origin, objects, path, sizes)
    made.listed = [listed[place] for place in made.used]
    made.image_ids = [one.id for one in made.listed]
    return made


def _found(folder: Path, files: Sequence[Path], path: Path, labels: Labelled) -> dict[Path, str]:
    """{file that is there: its name in the label file}, in the order of the files."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(composed(file.name), []).append(file)
    found: dict[Path, str] = {}
    missing = []
    for listed in labels:
        there = _places(listed, by_name)
        if len(there) > 1:
            raise ValueError(f"{path}: image {listed} could be {there[0]} or {there[1]}; keep one of them")
        if there and there[0] in found:
            raise ValueError(f"{path} lists {there[0]} more than once, e.g. as {listed}")
        if there:
            found[there[0]] = listed
        else:
            missing.append(listed)
    if missing:
        log.warning(
            "%s lists %d images that are not below %s, e.g. %s; they are left out",
            path, len(missing), folder, missing[0],
        )  # fmt: skip
    if not found:
        raise ValueError(f"none of the {len(missing)} images that {path} lists is below {folder}")
    return dict(sorted(found.items()))


def listed_parts(listed: str) -> list[str]:
    """The parts of a path in a label file, whichever system wrote it: "/" and "\\" divide it."""
    return [part for part in composed(listed).replace("\\", "/").split("/") if part not in ("", ".")] or [""]


def _places(listed: str, by_name: dict[str, list[Path]]) -> list[Path]:
    """Files whose path ends as the listed one does; of an absolute path, which another machine may have written, those
    that share the longest end with it.
    """
    parts = listed_parts(listed)
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
