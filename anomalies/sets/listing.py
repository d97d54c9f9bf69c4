"""The image files below a folder of the user: links are followed, what an operating system left there is not."""

from __future__ import annotations

import os
from pathlib import Path

from lsood.io import log

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
LEFT_BY_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
"""Folders of operating systems and disk stations, in lower case."""


def walk(folder: Path) -> tuple[list[Path], set[Path]]:
    """Image files below a folder, and the folders they were looked for in.

    Links to folders are followed. A folder that is reached twice counts once: under its own name, else under the first
    link in the order of names. Names that begin with a dot, ``__MACOSX`` and the like are left out; links to nothing
    are kept if their name is that of an image, so that reading them fails by name, and logged if not.

    Returns:
        Sorted paths of files; the folders, with all links resolved.

    Raises:
        OSError: a folder that cannot be listed.
    """
    files: list[Path] = []
    seen: set[Path] = set()
    here, linked = [folder], list[Path]()
    while here or linked:
        # All real folders come before any link, so that a link to one of them adds nothing.
        place = here.pop() if here else linked.pop(0)
        real = place.resolve()
        if real in seen:
            continue
        seen.add(real)
        links: list[Path] = []
        for item in sorted(place.iterdir()):
            if item.name.startswith(".") or item.name.lower() in LEFT_BY_SYSTEMS:
                continue
            if item.is_dir():
                (links if item.is_symlink() else here).append(item)
            elif item.suffix.lower() in SUFFIXES:
                files.append(item)
            elif item.is_symlink() and not item.exists():
                log.warning("%s is a link to nothing; its images, if any, are missing", shown(item))
        linked = sorted(linked + links)
    return sorted(files), seen


def shown(path: Path | str) -> str:
    """A path as text that can be printed and stored: bytes of a name that are not UTF-8 become ``\\xe9``."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def key_of(path: Path, folder: Path) -> str:
    """The key of an image file: its path below a folder with "/", as :func:`shown`."""
    return shown(path.relative_to(folder).as_posix())


def expanded(path: Path | None) -> Path | None:
    """A path with a leading ``~`` replaced, which no shell does after ``--out=`` or in quotes.

    Raises:
        RuntimeError: a user who has no home folder.
    """
    return None if path is None else path.expanduser()
