"""sha256 of files' contents, remembered in the cache folder so that unchanged files are read once only.

The index of a folder maps a path below it to (size, time of change in ns, inode, sha256). A file whose size, time or
inode is another one is read again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from datamodules.locate import cache_dir
from lsood.io import log, read_index, sha256, write_index

MISSING = "missing"
FRESH = 2 * 10**9
"""Nanoseconds after a change in which another one may bear the same time; such files are not remembered."""
_verify: ContextVar[bool] = ContextVar("verify_data", default=False)


@contextmanager
def reading_everything(active: bool = True) -> Iterator[None]:
    """Read every file again, whatever the index remembers, if ``active``."""
    token = _verify.set(active)
    try:
        yield
    finally:
        _verify.reset(token)


def digests(root: Path, files: Sequence[Path]) -> list[str]:
    """sha256 in hex of the contents of files, MISSING for those that are not there.

    Args:
        root: folder of the set, which has an index of its own.

    Raises:
        OSError: a file that cannot be read.
    """
    root = Path(os.path.abspath(root))
    address = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    path = cache_dir() / "contents" / f"{address}.json"
    known: dict[str, Any] = (read_index(path) or {}).get("files", {})
    seen = {} if _verify.get() else known
    found, fresh = [], {}
    try:
        for file in files:
            name = os.path.relpath(file, root)
            digest, entry = _digest(file, seen.get(name))
            found.append(digest)
            if entry is not None and entry != known.get(name):
                fresh[name] = entry
    finally:  # what an interruption has left read stays read
        if fresh:
            log.info("%s: contents of %d new or changed files read", root, len(fresh))
            _remember(path, root, known | fresh)
    return found


def _digest(file: Path, known: list[Any] | None) -> tuple[str, list[Any] | None]:
    """The digest of a file, and the entry to remember; None for one that may change again within its time stamp."""
    if (before := _state(file)) is None:
        return MISSING, None
    if known is not None and known[:-1] == before:
        return known[-1], known
    while True:
        now, digest = time.time_ns(), sha256(file)
        after = _state(file)
        if after == before:
            return digest, [*before, digest] if before[1] < now - FRESH else None
        if after is None:
            return MISSING, None
        before = after


def _state(file: Path) -> list[int] | None:
    """What changes with a file: size, time of change in ns, inode; None where there is no file."""
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _remember(path: Path, root: Path, files: dict[str, Any]) -> None:
    try:
        write_index(path, {"root": str(root), "files": files})
    except OSError as error:
        log.warning("%s cannot be written (%s); the files will be read again", path, error)
