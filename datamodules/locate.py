"""Where a data set lies: below the folder the user named, else a generated miniature."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from lsood.io import flush_files, log, remove_leftovers, temporary


class Place(Protocol):
    """What must be known of a data set to find it.

    Attributes:
        folders: names looked for below the data root, besides the root itself.
        layout, source: for the error if it is missing: which files are expected, where to get them.
    """

    @property
    def folders(self) -> tuple[str, ...]: ...
    @property
    def layout(self) -> str: ...
    @property
    def source(self) -> str: ...
    def is_there(self, folder: Path, /) -> bool:
        """Whether a folder holds the set."""


def cache_dir() -> Path:
    """Folder for miniatures, trained networks and activations: $LSOOD_CACHE, else ~/.cache/lsood-bench."""
    return Path(os.environ.get("LSOOD_CACHE") or "~/.cache/lsood-bench").expanduser()


def find(root: Path, candidates: Iterable[str], is_there: Callable[[Path], bool]) -> Path | None:
    """The first of root/candidate, root itself, that holds the set's layout."""
    for folder in (*(root / name for name in candidates), root):
        if folder.is_dir() and is_there(folder):
            return folder
    return None


def locate(
    name: str,
    place: Place,
    root: Path | None,
    seed: int = 0,
    fetch: Callable[[Path], object] | None = None,
) -> Path:
    """The folder of a data set.

    Args:
        name: of the set. place: where it lies.
        root: data root; None: its miniature is generated.
        seed: of the miniature.
        fetch: downloads the set into the root if it is not there.

    Raises:
        FileNotFoundError: not below the root, or no root and no miniature of the set; says which layout is expected and
            where to get it.
    """
    if root is None and not has_miniature(name):
        raise FileNotFoundError(
            f"{name} has no generated miniature; name a --data-root that holds {place.layout}; get it "
            f"from {place.source}"
        )
    where = miniature(name, seed) if root is None else root
    folder = find(where, place.folders, place.is_there)
    if folder is None and root is not None and fetch is not None:
        _download(root, fetch)
        folder = find(root, place.folders, place.is_there)
    if folder is None:
        raise missing(name, root or Path(), place.layout, place.source)
    return folder


def _download(root: Path, fetch: Callable[[Path], object]) -> None:
    """Download into a folder beside the sets and put what came there once it is whole: torchvision takes a folder that
    was unpacked in part for the set.
    """
    remove_leftovers(root)
    part = temporary(root / "download")
    shutil.rmtree(part, ignore_errors=True)  # of an earlier process of this number
    part.mkdir(parents=True)
    try:
        fetch(part)
        flush_files(part)
        _move(part, root)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move(here: Path, there: Path) -> None:
    """Move everything in a folder into another one; files that are there already are replaced."""
    for item in here.iterdir():
        target = there / item.name
        if item.is_dir() and target.is_dir():
            _move(item, target)
        else:
            item.replace(target)


def has_miniature(name: str) -> bool:
    """Whether a miniature of a set can be generated."""
    from datamodules.miniature import exists

    return exists(name)


def miniature(name: str, seed: int = 0) -> Path:
    """The root of the generated miniature of a set, written now unless it is there whole; logs a warning."""
    from datamodules.miniature import write

    root = cache_dir() / "miniature"
    folder = write(name, root, seed, heal=True)
    log.warning("MINIATURE: generated images stand in for %s (%s)", name, folder)
    return root


def missing(name: str, root: Path, layout: str, source: str) -> FileNotFoundError:
    """The error for a set that is not below the root the user named."""
    return FileNotFoundError(
        f"{name} is not in {root}: expected {layout} there or in a folder of its name; get it from {source}; "
        "or name no data root (or --miniature) to run on generated images"
    )
