"""Which files of a folder are data: links followed, what operating systems leave behind passed over, names checked."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from lsood.io import log

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
UNREAD = frozenset({".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".pgm", ".tga", ".jfif"})
"""Suffixes of images that are not read: a warning counts them."""
LEFT_BEHIND = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
"""Folders of operating systems and disk stations, in lower case; names that begin with a dot are passed over too."""


def image_files(folder: Path, pattern: str = "**/*") -> list[Path]:
    """Image files below a folder, sorted; a warning counts images in formats that are not read.

    Args:
        pattern: as `files_below` takes it.

    Raises:
        OSError, ValueError: see `files_below`.
    """
    found = files_below(folder, pattern, SUFFIXES | UNREAD)
    unread = [path for path in found if path.suffix.lower() in UNREAD]
    if unread:
        log.warning(
            "%s: %d images are left out, e.g. %s: formats that are read: %s",
            folder, len(unread), unread[0].relative_to(folder), ", ".join(sorted(SUFFIXES)),
        )  # fmt: skip
    return [path for path in found if path.suffix.lower() in SUFFIXES]


def files_below(folder: Path, pattern: str, suffixes: Collection[str]) -> list[Path]:
    """Files of some suffixes below a folder, sorted. Links to files and folders are followed; names that begin with a
    dot and folders of `LEFT_BEHIND` are passed over, in the folder, not above it.

    Args:
        pattern: of the path below the folder, one part per level; a first part "**": any depth.
        suffixes: in lower case.

    Raises:
        OSError: a folder that cannot be read. ValueError: a name that is not UTF-8.
    """
    *levels, name = pattern.split("/")
    deep = levels[:1] == ["**"]
    links: list[Path] = []
    found = [
        path
        for path in _walk(folder, None if deep else levels, (), links)
        if path.suffix.lower() in suffixes and fnmatchcase(path.name, name)
    ]
    gone = [path for path in found if not path.is_file()]
    if gone:
        log.warning(
            "%s: %d links lead to no file, e.g. %s; they are left out",
            folder, len(gone), gone[0].relative_to(folder),
        )  # fmt: skip
    if links:
        log.warning(
            "%s: the link %s leads to a folder above it and is not followed",
            folder,
            links[0].relative_to(folder),
        )
    there = sorted(set(found) - set(gone))
    _check_names(folder, there)
    return there


def _walk(
    folder: Path, levels: list[str] | None, above: tuple[str, ...], links: list[Path]
) -> Iterator[Path]:
    """Files, and links that lead nowhere, at the depth of the levels; None: at any depth."""
    if not folder.is_dir():
        return
    above = (*above, os.path.realpath(folder))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in LEFT_BEHIND:
                continue
            path = folder / entry.name
            if not entry.is_dir():
                if not levels:
                    yield path
            elif levels is None or (levels and fnmatchcase(entry.name, levels[0])):
                if entry.is_symlink() and os.path.realpath(path) in above:
                    links.append(path)
                else:
                    yield from _walk(path, None if levels is None else levels[1:], above, links)


def _check_names(folder: Path, files: list[Path]) -> None:
    """Raises ValueError: a name that is not UTF-8, which results and caches could not hold."""
    below = [path.relative_to(folder) for path in files if _bytes(path) is not None]
    wrong = [name for path in below if (name := _bytes(path)) is not None]
    if wrong:
        more = f" ({len(wrong)} such names)" if len(wrong) > 1 else ""
        raise ValueError(
            f"{folder}: the name {wrong[0]!r} is not UTF-8{more}; "
            "rename it, or convert the names with convmv -r -f latin1 -t utf8 --notest"
        )


def _bytes(path: Path) -> bytes | None:
    """The bytes of a path that is not UTF-8; None: it is."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return None


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
