"""Names and errors as people read them: short names, near matches, one line. Imports no torch."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path


def shown(text: Path | str) -> str:
    """A path or message as text that can be printed and stored: bytes of a name that are not UTF-8 become ``\\xe9``."""
    return re.sub("[\ud800-\udfff]", _escaped, str(text))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def shape_text(shape: Iterable[int]) -> str:
    """ "512 x 7 x 7"."""
    return " x ".join(map(str, shape))


def slug(text: str) -> str:
    """A name as it stands in file names: letters, digits, "-" and "_", with "_" for everything else."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)


PREFIXES = ("folder:", "segmentation:", "coco:", "coco-masks:", "generated:")
"""What stands before the folder of a data set of the user."""


def short_names(names: Iterable[str]) -> dict[str, str]:
    """{name: the name with the end of its path alone}: of ``folder:PATH``, ``generated:PATH`` and ``PATH.py:Object``
    the last part, or as many as tell one path from the others; other names as they are.

    >>> short_names(["folder:/data/day/odd", "folder:/data/night/odd", "/home/me/mine.py:Mine@k=3", "svhn"]).values()
    dict_values(['folder:day/odd', 'folder:night/odd', 'mine.py:Mine@k=3', 'svhn'])
    """
    found = {name: name for name in names}
    split = {name: parts for name in found if (parts := _around_path(name)) is not None}
    for name, (before, path, after) in split.items():
        others = {p for n, (b, p, a) in split.items() if (b, a) == (before, after)} - {path}
        length = next(n for n in range(1, len(path) + 1) if all(other[-n:] != path[-n:] for other in others))
        found[name] = f"{before}{Path(*path[-length:]).as_posix()}{after}"
    return found


def _around_path(name: str) -> tuple[str, tuple[str, ...], str] | None:
    """What stands before a path in a name, the path's parts, what stands behind it; None: there is no path."""
    before = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    path, code, thing = (name[len(before) :], "", "") if before else name.partition(".py:")
    if not before and not code:
        return None
    after = f":{thing}" if code else ""
    place = Path(f"{path}{code[:-1]}").expanduser().absolute()
    return before, Path(os.path.normpath(place)).parts, after


def markdown_cell(text: str) -> str:
    """Text that may stand in a cell or line of Markdown: no HTML, code, link or further cell comes of it."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return text.replace("`", "\\`").replace("](", "]\\(")


def unknown(what: str, name: str, known: Iterable[str], further: str = "") -> ValueError:
    """The error for a name that is not known: says the nearest one and lists all.

    Args:
        what: noun of the thing, "method". further: ends the list, ", folder:PATH".
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    plural = what if what.endswith("s") else f"{what}s"
    return ValueError(f"unknown {what} {name!r}; {hint}{plural}: {', '.join(known)}{further}")


def one_line(error: BaseException) -> str:
    """The message of an error in one line; for system errors without one what the system says, and the file."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return shown(f"{error.strerror}{where}")
    return shown(" ".join(str(error).split())) or type(error).__name__


def reason(error: BaseException) -> str:
    """The first line of an error, with its type where it is not one that is raised on purpose."""
    text = next(iter(str(error).splitlines()), "")
    if isinstance(error, OSError):
        text = one_line(error)
    kind = type(error).__name__
    return text if text and isinstance(error, ValueError | OSError) else f"{kind}: {text}" if text else kind
