"""Images with unknown objects painted into images of another set, with labels in COCO's format for each subset."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.coco import CocoSet, boxed_set, listed_parts
from datamodules.formats.coco_json import Labelled, read_coco
from datamodules.formats.scalabel import read_json
from datamodules.imagesets.base import ImageSet, Item, fingerprint_of
from datamodules.imagesets.boxes import UNKNOWN, Boxes
from datamodules.imagesets.subset import Subset
from lsood.images.listing import files_below, image_files
from lsood.io import log
from lsood.text import shown

FRAME = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{8}(?![0-9a-f])")
"""Name of a frame of BDD100K."""
Classes = Callable[[str], int | None]
PARTS = ("images", "annotations", "categories")


class InpaintedSet(CocoSet):
    """Images with a hazard painted in. The kind of an image is the name of its hazard, its source the key of the clean
    frame in the in-distribution set, so that intervals count images by frame.

    Attributes:
        kinds: name of each image's unknown object; "" where it has none.
        clean: file of each image's clean frame; None where it is not below the folder.
    """

    kinds: list[str]
    frames: list[str]
    clean: list[Path | None]

    @property
    def sources(self) -> list[str]:
        return self.frames

    def read(self, index: int) -> Item:
        return super().read(index)._replace(kind=self.kinds[index], source=self.frames[index])

    def outline(self, index: int) -> Item:
        return super().outline(index)._replace(kind=self.kinds[index], source=self.frames[index])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(super().fingerprint, *self.kinds, *self.frames)


def inpainted(
    name: str,
    folder: Path,
    subset: str,
    hazards: Sequence[str],
    key: str,
    published: int | None = None,
    classes: Classes = lambda name: None,
) -> InpaintedSet:
    """The images of a subset with their objects: hazards are of no class, those of a known class are of it, all others
    are left out.

    Args:
        subset: stem of the file, or name of the folder, that lists its images. hazards: in lower case.
        key: of a clean frame in the in-distribution set, with "{frame}" in it.
        classes: index of the class of a name in lower case; None: the network has no such class.

    Raises:
        ValueError: no such file below the folder, or what `datamodules.formats.coco.boxed_set` raises.
    """
    path, labels, entries = _labels(name, folder, subset)
    placed = {
        listed: about._replace(objects=_placed(about.objects, hazards, classes))
        for listed, about in labels.items()
    }
    files = image_files(folder)
    found = boxed_set(name, folder, files, path, placed, published, InpaintedSet)
    found.kinds = [
        next((_plain(n) for n, c in zip(objects.names, objects.classes, strict=True) if c == UNKNOWN), "")
        for objects in found.objects
    ]
    frames = [
        _frame(file, entries.get(about.id, {})) for file, about in zip(found.files, found.listed, strict=True)
    ]
    if lacking := frames.count(None):
        log.warning(
            "%s: neither name nor entry of %d images says of which frame they are, e.g. %s; each counts as a frame of "
            "its own", name, lacking, found.keys[frames.index(None)],
        )  # fmt: skip
    own = zip(frames, found.keys, strict=True)
    found.frames = [other if frame is None else key.format(frame=frame) for frame, other in own]
    clean = {file.stem: file for file in files if FRAME.fullmatch(file.stem)}
    found.clean = [clean.get(frame or "") for frame in frames]
    return found


def with_unknown(images: InpaintedSet) -> ImageSet:
    """The images that show an object of no class.

    Raises:
        ValueError: none does.
    """
    kept = [i for i, kind in enumerate(images.kinds) if kind]
    if not kept:
        raise ValueError(f"{images.name}: the network knows the objects of all {len(images)} images")
    if len(kept) < len(images):
        log.info(
            "%s: %d images show no unknown object and are left out", images.name, len(images) - len(kept)
        )
    if not any((objects.classes >= 0).any() for objects in images.objects):
        log.warning(
            "%s: no object of a known class is labelled, so all detections on its images are compared as unknown ones",
            images.name,
        )
    return images if len(kept) == len(images) else Subset(images, kept)


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))


def _placed(objects: Boxes, hazards: Sequence[str], classes: Classes) -> Boxes:
    index = _classes(objects.names, classes)
    kept = (index != UNKNOWN) | np.asarray([_plain(name) in hazards for name in objects.names], dtype=bool)
    regions = objects.left_out._replace(classes=_classes(objects.left_out.names, classes))
    return objects._replace(classes=index, left_out=regions).where(kept)


def _classes(names: Sequence[str], classes: Classes) -> NDArray[np.int64]:
    found = [classes(_plain(name)) for name in names]
    return np.asarray([UNKNOWN if index is None else index for index in found], dtype=np.int64)


def _frame(file: Path, entry: dict[str, Any]) -> str | None:
    """Name of the frame that an image was made from: in the image's name, else in a text of its entry."""
    texts = [file.stem, *(value for value in entry.values() if isinstance(value, str))]
    return next((match.group() for text in texts if (match := FRAME.search(text))), None)


def _labels(name: str, folder: Path, subset: str) -> tuple[Path, Labelled, dict[Any, dict[str, Any]]]:
    """The label file of a subset, what it says of the subset's images, and its entries of images by id.

    Raises:
        ValueError: there is none.
    """
    there = files_below(folder, "**/*", {".json", ".txt"})
    own = [path for path in there if _names(path, subset)]
    contents = {path: read_json(path) for path in own if path.suffix == ".json"}
    whole = [path for path, content in contents.items() if _is_coco(content)]
    if whole:
        content = contents[whole[0]]
        return whole[0], read_coco(whole[0]), {entry["id"]: entry for entry in content["images"]}
    listed = next((found for path in own if (found := _listed(path, contents.get(path)))), None)
    if listed is None:
        raise ValueError(
            f"{name}: {shown(folder)} has no {subset}.json in COCO's format, nor a list {subset}.txt or .json of "
            "images beside such a file"
        )
    for path in there:
        if path.suffix == ".json" and path not in own and _is_coco(content := read_json(path)):
            labels = {n: about for n, about in read_coco(path).items() if listed_parts(n)[-1] in listed}
            if labels:
                return path, labels, {entry["id"]: entry for entry in content["images"]}
    raise ValueError(f"{name}: no label file below {shown(folder)} has the {len(listed)} images of {subset}")


def _names(path: Path, subset: str) -> bool:
    stem = path.stem.lower()
    return stem == subset or stem.endswith((f"_{subset}", f"-{subset}")) or path.parent.name.lower() == subset


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(part), list) for part in PARTS)


def _listed(path: Path, content: Any) -> set[str]:
    """Names of files that a list of images has; paths count by their last part."""
    names = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".txt" else content
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return set()
    return {listed_parts(name.strip())[-1] for name in names if name.strip()}
