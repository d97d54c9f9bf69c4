"""sha256 of the contents of files, remembered in the cache folder so that unchanged files are read once only.

The index of a folder maps a path to (size, mtime in ns, ctime in ns, inode, sha256). A file of which any of these has
changed is read again; ctime changes even where a copy keeps the other three.
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
CHANGED = 2 if os.name == "posix" else 1
"""Position in a state of the time of the last change: ctime, which elsewhere is that of the creation."""
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
    root = root.absolute()
    address = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    path = cache_dir() / "contents" / f"{address}.json"
    known: dict[str, Any] = (read_index(path, unchecked=False) or {}).get("files", {})
    names = [str(file.absolute()) for file in files]
    states = [_state(file) for file in files]
    seen = {} if _verify.get() else known
    same = [s is not None and seen.get(n, [])[:-1] == s for n, s in zip(names, states, strict=True)]
    unread = [s[0] for s, unchanged in zip(states, same, strict=True) if s is not None and not unchanged]
    if unread:
        size = sum(unread) / 2**30
        log.info("%s: reading %d new or changed files (%.1f GiB) to identify them", root, len(unread), size)
    found, fresh = [], {}
    try:
        for file, name, state, unchanged in zip(files, names, states, same, strict=True):
            if unchanged:
                found.append(seen[name][-1])
                continue
            digest, settled = _read(file, state)
            found.append(digest)
            if settled is not None:
                fresh[name] = [*settled, digest]
    finally:  # what an interruption has left read stays read
        if any(known.get(name) != entry for name, entry in fresh.items()):
            _remember(path, root, known | fresh)
    return found


def _read(file: Path, state: list[int] | None) -> tuple[str, list[int] | None]:
    """The digest of a file and the state to remember it by; None where it may change again within its time stamp."""
    while state is not None:
        now, digest = time.time_ns(), sha256(file)
        after = _state(file)
        if after == state:
            return digest, state if state[CHANGED] < now - FRESH else None
        state = after
    return MISSING, None


def _state(file: Path) -> list[int] | None:
    """What changes with a file: size, mtime and ctime in ns, inode; None where there is no file."""
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _remember(path: Path, root: Path, files: dict[str, Any]) -> None:
    try:
        write_index(path, {"root": str(root), "files": files})
    except OSError as error:
        log.warning("%s cannot be written (%s); the files will be read again", path, error)
