"""Which files of a folder are images, for every command: links followed, what operating systems leave passed over."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from lsood.io import log
from lsood.text import shown

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
UNREAD = frozenset({".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".pgm", ".tga", ".jfif"})
"""Suffixes of images that are not read: a warning counts them."""
LEFT_BEHIND = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
"""Folders of operating systems and disk stations, in lower case; names that begin with a dot are passed over too."""


def image_files(folder: Path, pattern: str = "**/*") -> list[Path]:
    """Image files below a folder, sorted, as :func:`files_below`. Warnings name what is not among them: images in
    formats that are not read, links that lead to nothing, and links to a folder that is read under another name.

    Args:
        pattern: as `files_below` takes it.

    Raises:
        OSError: a folder that cannot be read.
    """
    walk = _Walk.of(folder, pattern, SUFFIXES | UNREAD)
    unread = [path for path in walk.files if path.suffix.lower() in UNREAD]
    for left, what in (
        (unread, f"images are left out; formats that are read: {', '.join(sorted(SUFFIXES))}"),
        (walk.gone, "links lead to nothing; images there, if any, are missing"),
        (walk.again, "links to folders that are read under another name are not followed"),
    ):
        if left:
            _warn_once(f"{folder}: {len(left)} {what}, e.g. {shown(left[0].relative_to(folder))}")
    return [path for path in walk.files if path.suffix.lower() in SUFFIXES]


def files_below(folder: Path, pattern: str, suffixes: Collection[str]) -> list[Path]:
    """Files of some suffixes below a folder, sorted; none where there is no such folder.

    Links are followed. A folder that is reached twice counts once: under its own name, else under the first link in the
    order of names. Names that begin with a dot and folders of `LEFT_BEHIND` are passed over, in the folder, not above
    it. A link to nothing counts as a file, so that reading it fails by name.

    Args:
        pattern: of the path below the folder, one part per level; a first part "**": any depth.
        suffixes: in lower case.

    Raises:
        OSError: a folder that cannot be read.
    """
    return _Walk.of(folder, pattern, suffixes).files


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder by the order of their names, links to folders among them, without those that
    :func:`files_below` passes over.

    Raises:
        OSError: a folder that cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _passed_over(path.name))


def folders_below(folder: Path) -> set[Path]:
    """The folders in which `image_files` looks, with all links resolved.

    Raises:
        OSError: a folder that cannot be read.
    """
    return {real for real, _ in _Walk.of(folder, "**/*", SUFFIXES).seen}


@lru_cache(maxsize=256)
def _warn_once(text: str) -> None:
    """Commands open a folder several times."""
    log.warning("%s", text)


@dataclass
class _Walk:
    """Folders looked through, those reached by their own name before those reached by links.

    Attributes:
        files: sorted. seen: (folder with links resolved, levels that were left there).
        again, gone: links to folders that were seen before, and to nothing.
    """

    files: list[Path] = field(default_factory=list)
    seen: set[tuple[Path, int | None]] = field(default_factory=set)
    again: list[Path] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, pattern: str, suffixes: Collection[str]) -> _Walk:
        *levels, name = pattern.split("/")
        walk = cls()
        here, linked = (
            [(folder, None if levels[:1] == ["**"] else levels)],
            list[tuple[Path, list[str] | None]](),
        )
        while here or linked:
            place, left = here.pop() if here else linked.pop(0)
            if not place.is_dir():
                continue
            state = place.resolve(), None if left is None else len(left)
            if state in walk.seen:
                walk.again.append(place)
                continue
            walk.seen.add(state)
            links: list[tuple[Path, list[str] | None]] = []
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                path = place / entry.name
                if _passed_over(entry.name):
                    continue
                if entry.is_dir():
                    if left is None or (left and fnmatchcase(entry.name, left[0])):
                        (links if entry.is_symlink() else here).append(
                            (path, None if left is None else left[1:])
                        )
                elif not left and fnmatchcase(entry.name, name):
                    if path.suffix.lower() in suffixes:
                        walk.files.append(path)
                    elif entry.is_symlink() and not path.exists():
                        walk.gone.append(path)
            linked = sorted(linked + links, key=lambda link: link[0])
        walk.files.sort()
        return walk


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def key_of(path: Path, folder: Path) -> str:
    """The key of an image file: its path below a folder with "/", as `lsood.text.shown`."""
    return shown(path.relative_to(folder).as_posix())


def composed(name: str) -> str:
    """A name with its accents composed (NFC): macOS stores them decomposed, other systems as they were typed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def same_name(path: Path) -> Path:
    """The file of a name whichever way its accents are stored; the path itself where there is none.

    Raises:
        ValueError: two files of that name.
    """
    if path.name.isascii() or path.is_file() or not path.parent.is_dir():
        return path
    found = sorted(p for p in path.parent.iterdir() if composed(p.name) == composed(path.name))
    if len(found) > 1:
        raise ValueError(f"{path.parent} holds the name {path.name} twice, with accents stored in two ways")
    return found[0] if found else path
