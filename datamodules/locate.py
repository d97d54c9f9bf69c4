"""Where a data set lies: below the folder the user named, else a generated miniature."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger("lsood-bench")
MARKER = "miniature.json"


def cache_dir() -> Path:
    """Folder for miniatures, trained networks and activations: $LSOOD_CACHE, else ~/.cache/lsood-bench."""
    return Path(os.environ.get("LSOOD_CACHE") or Path.home() / ".cache" / "lsood-bench")


def find(root: Path, candidates: Iterable[str], is_there: Callable[[Path], bool]) -> Path | None:
    """The first of root/candidate, root itself, that holds the set's layout."""
    for folder in (*(root / name for name in candidates), root):
        if folder.is_dir() and is_there(folder):
            return folder
    return None


def origin_of(folder: Path, images: int, published: int | None) -> str:
    """ "miniature" below a miniature's marker, "official" with the published number of images, else
    "subset".
    """
    for parent in (folder, *folder.parents):
        if (parent / MARKER).is_file():
            return "miniature"
    return "official" if published is not None and images == published else "subset"


def miniature(name: str, seed: int = 0) -> Path:
    """The root of a generated look-alike of a set, written now unless it is there. Says so loudly."""
    from datamodules.miniature import write

    root = cache_dir() / "miniature"
    folder = write(name, root, seed)
    log.warning("MINIATURE: no data root given, generated images stand in for %s (%s)", name, folder)
    return root


def missing(name: str, root: Path, layout: str, source: str) -> FileNotFoundError:
    """The error for a set that is not below the root the user named."""
    return FileNotFoundError(
        f"{name} is not in {root}: expected {layout} there or in a folder of its name; get it from {source}; "
        "or name no data root to run on generated images"
    )
