"""What image libraries say of a file past its reader: as Python warnings, or on file descriptor 2 without its name."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from lsood.io import log

PRINTED = re.compile(
    rb"(libpng (?:warning|error): |Corrupt JPEG data|Premature end of JPEG|Invalid SOS|\[[A-Z ]+:\S+\] \S+ \S+ )"
)
"""How lines of libpng, libjpeg and OpenCV begin."""
POSIX = os.name == "posix"
_lock = threading.RLock()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Log what is said while an image file is read, with its name, the same message once per folder and process.
    Nothing is logged where reading raises: the error says what is wrong.
    """
    with captured() as printed, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        yield
    for line in dict.fromkeys([*printed, *(" ".join(str(one.message).split()) for one in noted)]):
        if line not in (known := _known(path.parent)):
            known.add(line)
            log.warning("%s: %s (said once per folder)", path, line)


@lru_cache(maxsize=256)
def _known(folder: Path) -> set[str]:
    return set()


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect what image libraries print to file descriptor 2 meanwhile, a text per line; filled in at the end. Other
    lines, such as a progress bar's, are passed on. Without effect on systems other than POSIX.
    """
    lines: list[str] = []
    with _lock:
        try:
            before = os.dup(2) if POSIX else -1
        except OSError:  # there is no such descriptor
            before = -1
        if before < 0:
            yield lines
            return
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        os.dup2(write, 2)
        try:
            yield lines
        finally:
            os.dup2(before, 2)
            others = [line for line in _content(read) if not _printed(line, lines)]
            os.write(before, b"".join(others))
            for descriptor in (before, read, write):
                os.close(descriptor)


def _printed(line: bytes, lines: list[str]) -> bool:
    """Whether a line is a library's; it is added to the others then, without OpenCV's time and place, and without the
    empty line that may follow.
    """
    if lines and not line.strip():
        return True
    if not (match := PRINTED.match(line)):
        return False
    text = line[match.end() :] if line.startswith(b"[") else line
    lines.append(text.decode("utf-8", "replace").strip())
    return True


def _content(read: int) -> list[bytes]:
    """The lines that a pipe holds now."""
    found = b""
    try:
        while part := os.read(read, 2**16):
            found += part
    except BlockingIOError:
        pass
    return found.splitlines(keepends=True)
