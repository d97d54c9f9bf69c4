"""Which image of which set the entries of files name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.predictions.files import Entries, Predictions
from datamodules import ImageSet
from datamodules.formats.coco import listed_parts
from lsood.io import log
from lsood.text import shown

Place = tuple[int, int]
"""Identity of a set that is read from files, and a position in it."""


@dataclass
class Images:
    """Every image of the sets of a run, also those that are left out of them, by name and by image id.

    Attributes:
        by_name: {file name: places}. by_id: {image id of a COCO set: places}. parts: {place: parts of its path}.
        names: {place: what it is, for messages}.
    """

    by_name: dict[str, list[Place]] = field(default_factory=dict)
    by_id: dict[int, list[Place]] = field(default_factory=dict)
    parts: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    names: dict[Place, str] = field(default_factory=dict)
    roots: list[ImageSet] = field(default_factory=list)

    @classmethod
    def of(cls, sets: Mapping[str, ImageSet]) -> Images:
        """Of sets by what they are called."""
        found = cls()
        for title, images in sets.items():
            for root in roots_of(images):
                if any(root is other for other in found.roots):
                    continue
                found.roots.append(root)
                ids = getattr(root, "image_ids", None)
                for i, key in enumerate(root.keys):
                    path = root.file(i)
                    parts = tuple(listed_parts(str(path or Path(key))))
                    place = (id(root), i)
                    found.parts[place], found.names[place] = parts, f"{title}: {key}"
                    found.by_name.setdefault(parts[-1], []).append(place)
                    if ids is not None and ids[i] is not None:
                        found.by_id.setdefault(ids[i], []).append(place)
        return found

    def named(self, name: str) -> list[Place]:
        """Images whose path ends as a name does."""
        wanted = listed_parts(name)
        there = self.by_name.get(wanted[-1], [])
        return [place for place in there if list(self.parts[place][-len(wanted) :]) == wanted]


def roots_of(images: ImageSet) -> Iterable[ImageSet]:
    """The sets in files that the images of a set are read from."""
    found: dict[int, ImageSet] = {}
    for i in range(len(images)):
        root, _ = images.read_from(i)
        found.setdefault(id(root), root)
    return found.values()


def placed(predictions: Predictions, sets: Mapping[str, ImageSet]) -> dict[Place, Entries]:
    """{image: its detections}.

    Raises:
        ValueError: an entry that names no image of the sets, or images of several; a set whose images are drawn when
            they are read.
    """
    for title, images in sets.items():
        if images.synthetic and not hasattr(images, "stored"):
            raise ValueError(
                f"{title}: its images are drawn when they are read, and {predictions.name} cannot name them; write "
                "them to a folder with python -m anomalies.generate and name that: generated:DIR"
            )
    there = Images.of(sets)
    found: dict[Place, Entries] = {}
    for what, entries, places in (
        *((f"image {shown(name)}", e, there.named(name)) for name, e in predictions.by_name.items()),
        *((f"image_id {number}", e, there.by_id.get(number, [])) for number, e in predictions.by_id.items()),
    ):
        if not places:
            known = ", ".join(sets)
            raise ValueError(f"{predictions.name}: {what} is no image of the sets {known}")
        if len({there.parts[place] for place in places}) > 1:
            first, second = (there.names[place] for place in places[:2])
            raise ValueError(
                f"{predictions.name}: {what} could be {first} or {second}; state file_name with more of its path"
            )
        for place in places:
            if place in found:
                raise ValueError(
                    f"{predictions.name}: {there.names[place]} is named in two ways, e.g. as {what}; keep one of them"
                )
            found[place] = entries
    counts = {title: sum(place_of(of, i) not in found for i in range(len(of))) for title, of in sets.items()}
    if any(counts.values()):
        told = ", ".join(f"{n} of {len(sets[title])} in {title}" for title, n in counts.items() if n)
        log.info("%s: images without detections: %s", predictions.name, told)
    return found


def place_of(images: ImageSet, index: int) -> Place:
    """Where the image at a position is read from."""
    root, place = images.read_from(index)
    return id(root), place
