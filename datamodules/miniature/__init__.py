"""Generated stand-ins for the data sets in their official layouts, for users and tests without the data.

Deterministic: an image is a function of (set, seed, position). Results on them say nothing about the real sets.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.imagesets.origin import MARKER
from datamodules.miniature import driving, hazards, small, things
from lsood.io import log, remove_leftovers, sha256, write_folder

VERSION = 1


@dataclass(frozen=True)
class Miniature:
    """Folder below the root, writer, the number of images per part, and how often the writer has changed."""

    folder: str
    write: Callable[[Path, dict[str, int], Callable[[int], np.random.Generator]], None]
    sizes: dict[str, int]
    revision: int = 0


MINIATURES: dict[str, Miniature] = {
    "cityscapes": Miniature("cityscapes", driving.cityscapes, {"train": 130, "val": 60}),
    "woodscape": Miniature("woodscape", driving.woodscape, {"frames": 180}),
    "woodscape-soiling": Miniature("soiling_dataset", driving.soiling, {"train": 10, "test": 50}),
    "bdd100k": Miniature(
        "bdd100k", driving.bdd100k, {"10k/train": 130, "10k/val": 60, "100k/train": 130, "100k/val": 60}, 1
    ),
    "camvid": Miniature("camvid", driving.camvid, {"train": 120, "val": 20, "test": 60}),
    "road-anomaly-21": Miniature("road_anomaly21", driving.road_anomaly, {"frames": 30}),
    "drive-synood-od": Miniature("Drive-SynOOD-OD", hazards.drive_synood_od, {"frames": 20}),
    "cifar10": Miniature("cifar-10-batches-py", small.cifar10, {"train": 2000, "test": 500}),
    "cifar100": Miniature("cifar-100-python", small.cifar100, {"train": 2000, "test": 500}),
    "fashion-mnist": Miniature("FashionMNIST", small.fashion_mnist, {"train": 2000, "test": 500}),
    "mnist": Miniature("MNIST", small.mnist, {"train": 2000, "test": 500}),
    "gtsrb": Miniature("GTSRB", small.gtsrb, {"train": 860, "test": 215}),
    "svhn": Miniature("svhn", small.svhn, {"test": 500}),
    "voc": Miniature("VOCdevkit/VOC2012", things.voc, {"val": 60}, 1),
    "openimages": Miniature("openimages", things.openimages, {"images": 60}),
    "textures": Miniature("dtd", small.textures, {"images": 200}),
}
SHARED = {"bdd100k-seg": "bdd100k", "drive-synood-od-hiconf": "drive-synood-od"}
"""Data sets that read the miniature of another one."""


def exists(name: str) -> bool:
    """Whether there is a miniature of a data set."""
    return name in MINIATURES or name in SHARED


def write(
    name: str, root: Path, seed: int = 0, sizes: dict[str, int] | None = None, heal: bool = False
) -> Path:
    """Write a miniature below a root, in the folder and layout of the official set; at once when it is there already,
    and again when its files are not those that were written.

    Args:
        name: one of ``MINIATURES`` or ``SHARED``.
        sizes: images per part, by default those of ``MINIATURES``.
        heal: move a folder of that name which is no miniature out of the way, as interrupted removals of earlier
            versions left some; for roots that hold miniatures only.

    Returns:
        The set's folder. It appears whole or not at all.

    Raises:
        ValueError: unknown name; the right ones are listed. Without ``heal``, a folder of that name that is no
            miniature.
    """
    name = SHARED.get(name, name)
    if name not in MINIATURES:
        raise ValueError(f"no miniature of {name!r}; miniatures: {', '.join(MINIATURES)}")
    entry = MINIATURES[name]
    counts = entry.sizes | (sizes or {})
    revision = {"revision": entry.revision} if entry.revision else {}
    content = {"set": name, "version": VERSION, "seed": seed, "sizes": counts} | revision
    folder = root / entry.folder
    if _is_there(folder, content):
        remove_leftovers(folder.parent)
        return folder
    if folder.exists() and not (folder / MARKER).is_file():
        if not heal:
            raise ValueError(f"{folder} holds something that is no miniature; it was left as it is")
        aside = folder.with_name(f"{folder.name}.{time.time_ns()}.no-miniature")
        folder.rename(aside)
        log.warning("%s was no whole miniature; it lies in %s now, which you can delete", folder, aside.name)

    def whole(part: Path) -> None:
        entry.write(part, counts, partial(_random, name, seed))
        (part / MARKER).write_text(json.dumps({**content, "files": _digest(part)}), encoding="utf-8")

    return write_folder(folder, whole, partial(_is_there, folder, content))


def _is_there(folder: Path, content: dict[str, object]) -> bool:
    """Whether a folder holds a whole miniature of this content. Markers of earlier versions do not know the files."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        files = marker.pop("files", None)
    except (OSError, ValueError, AttributeError):
        return False
    if marker != content:
        return False
    if files is None or files == _digest(folder):
        return True
    log.warning("the miniature in %s is damaged and is written anew", folder)
    return False


def _digest(folder: Path) -> str:
    """sha256 over names and contents of the files of a miniature, hidden ones left out."""
    content = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name != MARKER and not path.name.startswith("."):
            content.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\0".encode())
    return content.hexdigest()


def _random(name: str, seed: int, index: int) -> np.random.Generator:
    """The generator of one image."""
    digest = hashlib.blake2b(f"{VERSION}\0{name}\0{seed}\0{index}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


__all__ = ["MARKER", "MINIATURES", "Miniature", "exists", "write"]
