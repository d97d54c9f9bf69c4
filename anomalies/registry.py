"""Kinds of anomalies by name: the files of ``kinds/<family>/``, each imported when it is first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from anomalies import kinds
from anomalies.base import Anomaly


class Kinds(Mapping[str, type[Anomaly]]):
    """Read-only mapping from kind to class. Iterating and looking up names imports no kind.

    Args:
        folder: with one folder per family, and in these one file per kind; names that begin with an underscore are
            left out.
        package: dotted name of the folder.
        order: names of family folders that come first; others follow alphabetically. Kinds of a family are in
            alphabetical order.

    Attributes:
        modules: {kind: dotted name of its module}.
    """

    def __init__(self, folder: Path, package: str, order: Sequence[str] = ()) -> None:
        def rank(file: Path) -> tuple[int, str, str]:
            family = file.parent.name
            return order.index(family) if family in order else len(order), family, file.stem

        files = sorted(folder.glob("[!_]*/[!_]*.py"), key=rank)
        self._files = {file.stem: file for file in files}
        self.modules = {kind: f"{package}.{file.parent.name}.{kind}" for kind, file in self._files.items()}

    def __getitem__(self, kind: str) -> type[Anomaly]:
        module = import_module(self.modules[kind])
        for name, value in vars(module).items():
            if isinstance(value, type) and folded(name) == folded(kind):
                return value
        raise ImportError(f"{module.__name__} must define the class of the kind {kind!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def class_names(self) -> dict[str, str]:
        """{name of the class: kind}, from the text of the files."""
        found = {}
        for kind, file in self._files.items():
            for name in re.findall(r"^class (\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
                if folded(name) == folded(kind):
                    found[name] = kind
        return found


def folded(name: str) -> str:
    """A name in lower case without underscores: equal for a kind and its class."""
    return name.replace("_", "").lower()


ANOMALIES = Kinds(Path(kinds.__file__).parent, kinds.__name__, kinds.ORDER)


def create(kind: str, severity: int = 3, **parameters: Any) -> Anomaly:
    """An anomaly by its kind.

    Args:
        kind: a key of `ANOMALIES`.
        severity: 1 to 5.
        parameters: further parameters of the kind.

    Raises:
        ValueError: unknown kind or parameter (the nearest or all names are given), or an invalid value.
    """
    if kind not in ANOMALIES:
        near = get_close_matches(kind, ANOMALIES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown kind {kind!r}; {hint}kinds: {', '.join(ANOMALIES)}")
    anomaly = ANOMALIES[kind]
    known = [field.name for field in fields(anomaly) if field.name != "severity"]
    for name in parameters:
        if name not in known:
            raise ValueError(f"{kind} has no parameter {name!r}; parameters: {', '.join(known) or 'none'}")
    return anomaly(severity=severity, **parameters)
