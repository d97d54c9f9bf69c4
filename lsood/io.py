"""Files: written whole or not at all, checksummed, on the disk before they have their names; and the log.

Imports no torch, so that commands can answer before anything heavy is loaded.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from lsood.text import one_line

log = logging.getLogger("lsood-bench")
TEMPORARY = ".*.part"
"""Pattern of the names of files and folders that are being written."""
DAY = 86400.0
T = TypeVar("T")


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file whole or not at all; makes its folder, returns its path.

    What killed processes have left in that folder is removed, see :func:`remove_leftovers`.

    Args:
        write: called with a temporary path in the same folder, which is renamed afterwards, once its content is on the
            disk. If it raises, the temporary file is removed and an existing file stays as it was.

    Raises:
        OSError: as ``write`` does, with the name of the file where it had none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _swept(path.parent.absolute())
    part = temporary(path)
    try:
        write(part)
        _flush(part)
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    return path


def write_folder(folder: Path, write: Callable[[Path], object], keep: Callable[[], bool]) -> Path:
    """:func:`write_atomic` of a folder. A folder that is there already is replaced: an interruption leaves the old one,
    none, or the new one, all whole.

    Args:
        write: called with a new temporary folder, which is renamed afterwards.
        keep: asked at the end whether another process has meanwhile written the same; the new one is removed then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent)
    part, old = temporary(folder), temporary(folder.with_name(f"{folder.name}.old"))
    try:
        shutil.rmtree(part, ignore_errors=True)  # of an earlier process of this number
        part.mkdir()
        write(part)
        flush_files(part)
        if not keep():
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
    return folder


def flush_files(folder: Path) -> None:
    """Wait until the content of every file below a folder is on the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            _flush(file)


def temporary(path: Path) -> Path:
    """Where this process writes a file or folder before it has its name: beside it, hidden."""
    return path.with_name(f".{path.name}.{_machine()}-{os.getpid()}.part")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """While the block runs, a folder is known to be in use by this process, see :func:`is_claimed`. What is written
    there keeps a claim of more than a day alive.
    """
    claim = temporary(folder / "claim")
    claim.touch()
    try:
        yield
    finally:
        claim.unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Whether a process that has not ended, or one of another machine within a day, writes to a folder."""
    with contextlib.suppress(OSError):
        files = list(folder.iterdir())
        newest = max((file.stat().st_mtime for file in files), default=0.0)
        for path in files:
            found = re.search(r"\.([0-9a-f]{8})-(\d+)\.part$", path.name)
            if found is not None and _is_alive(found[1], int(found[2]), newest):
                return True
    return False


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes have left in a folder: of processes that have ended
    on this machine, and of other machines where they are a day old.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.glob(TEMPORARY)):
            found = re.search(r"\.([0-9a-f]{8})-(\d+)\.part$", path.name)
            if found is None or _is_alive(found[1], int(found[2]), path.stat().st_mtime):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_alive(machine: str, process: int, written: float) -> bool:
    """Whether a process may still be writing what it last wrote to at a time."""
    if time.time() - written > DAY:
        return False
    if machine != _machine() or os.name != "posix":  # elsewhere a signal of 0 is one
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def _machine() -> str:
    """8 hex digits that processes share which see each other: a container has its own."""
    name = platform.node()
    with contextlib.suppress(OSError):
        name += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(name.encode()).hexdigest()[:8]


@cache
def _swept(folder: Path) -> None:
    """Once for each folder that a process writes to: a folder may hold many files."""
    remove_leftovers(folder)


def _flush(path: Path) -> None:
    """Wait until a file's content is on the disk: after a power failure its new name must not hold nothing."""
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> Path:
    """:func:`write_atomic` of UTF-8 text."""
    return write_atomic(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """:func:`write_atomic` of bytes."""
    return write_atomic(path, lambda part: part.write_bytes(content))


def sha256(path: Path) -> str:
    """sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checked(path: Path, write: Callable[[Path], object]) -> Path:
    """:func:`write_atomic`, and the sha256 of the content in ``<name>.sha256`` beside the file, for :func:`whole`.

    The checksum is written before the file appears; while it does, the checksums of the old and of the new content
    hold. An interruption at any moment leaves a file that is whole.
    """
    checksum = checksum_file(path)

    def with_checksum(part: Path) -> None:
        write(part)
        before = checksum.read_text(encoding="utf-8").split() if path.is_file() and checksum.is_file() else []
        write_text(checksum, "\n".join([sha256(part), *before]) + "\n")

    write_atomic(path, with_checksum)
    write_text(checksum, f"{checksum.read_text(encoding='utf-8').split()[0]}\n")
    return path


def checksum_file(path: Path) -> Path:
    """Where :func:`write_checked` keeps the checksum of a file."""
    return path.with_name(f"{path.name}.sha256")


def whole(path: Path) -> bool | None:
    """Whether a file is what :func:`write_checked` wrote; None where no checksum lies beside it.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    found = sha256(path)
    try:
        return found in checksum_file(path).read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return None


def write_index(path: Path, content: Mapping[str, object]) -> Path:
    """Write an index as JSON with the sha256 of all that it says, for :func:`read_index`."""
    return write_text(path, json.dumps({**content, "sha256_of_index": _digest(content)}))


def read_index(path: Path, unchecked: bool = True) -> dict[str, Any] | None:
    """What :func:`write_index` wrote; None where it is missing or, with a warning, damaged.

    Args:
        unchecked: take one of earlier versions, which has no checksum, as it is.
    """
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        stated = index.pop("sha256_of_index", None)
        if (stated is None and unchecked) or stated == _digest(index):
            return dict(index)
        reason = "its checksum is another one"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        reason = one_line(error)
    log.warning("%s is damaged and is made anew (%s)", path, reason)
    return None


def _digest(content: Mapping[str, object]) -> str:
    read = json.loads(json.dumps(content))  # as a reader gets it: lists for tuples, text for keys
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def expanded(path: Path | None) -> Path | None:
    """A path with a leading ``~`` replaced, which no shell does after ``--out=`` or in quotes.

    Raises:
        RuntimeError: a user who has no home folder.
    """
    return None if path is None else path.expanduser()


def check_file(path: Path, what: str) -> None:
    """Raise where a file that the user named is not there: FileNotFoundError, ValueError where it is a folder.

    Args:
        what: names it in the message, "--classes names.txt".
    """
    if path.is_dir():
        raise ValueError(f"{what} is a folder; name a file")
    if not path.is_file():
        raise FileNotFoundError(f"{what} does not exist")


def check_writable(folder: Path, what: str) -> None:
    """Raise ValueError where a folder to write to cannot be made because it, or one above it, is a file."""
    if files := [place for place in (folder, *folder.parents) if place.is_file()]:
        raise ValueError(f"{what}: {files[0]} is a file; name a folder")
