"""The network's outputs in the order of the data's classes, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def read_names(path: Path) -> list[str]:
    """Names of a text file, one per line; empty lines at its end are left out.

    Raises:
        FileNotFoundError: no such file. ValueError: no names, an empty line among them, or a name twice.
    """
    path = path.expanduser()
    if path.is_dir():
        raise ValueError(f"--classes {path} is a folder; name a file with one class name per network output")
    if not path.is_file():
        raise FileNotFoundError(
            f"--classes {path} does not exist; it holds one class name per network output"
        )
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"--classes {path} is no text in UTF-8") from error
    if not names or "" in names:
        where = f"line {names.index('') + 1} is empty" if names else "it is empty"
        raise ValueError(f"--classes {path}: {where}; it holds one class name per network output")
    return names


def match_outputs(names: Sequence[str], class_names: Sequence[str], what: str) -> list[int]:
    """For each class of the data the network's output of that name; case, spaces, "_" and "-" do not matter.

    >>> match_outputs(["void", "Traffic Light", "road"], ["road", "traffic_light"], "classes.txt")
    [2, 1]

    Args:
        names: of the outputs. class_names: of the data. what: names where the names come from, for the error.

    Raises:
        ValueError: classes that no output, or more than one, has the name of.
    """
    plain = [_plain(name) for name in names]
    found = {name: [i for i, one in enumerate(plain) if one == _plain(name)] for name in class_names}
    if missing := [name for name, places in found.items() if not places]:
        raise ValueError(
            f"{what} names no output for {', '.join(missing)}; it names: {', '.join(names[:20])}"
            + (", ..." if len(names) > 20 else "")
            + "; --classes FILE, one name per output, names them otherwise"
        )
    if twice := [name for name, places in found.items() if len(places) > 1]:
        raise ValueError(f"{what} names more than one output {', '.join(twice)}")
    return [found[name][0] for name in class_names]


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()
