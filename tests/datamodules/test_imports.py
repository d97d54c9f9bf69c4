"""Imports of datamodules: no circle, whatever the level at which a module is imported."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import datamodules

FOLDER = Path(datamodules.__file__).parent


def modules():
    """{dotted name: file}"""
    found = {}
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path, known):
    """Modules of the package that a file imports: at the top, in a function, or for type checkers alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in known:
                    yield name
                elif node.module in known:
                    yield node.module


def graph():
    known = modules()
    return {name: set(imported(path, known)) - {name} for name, path in known.items()}


def test_no_circle():
    found = graph()
    assert sum(map(len, found.values())) > 100
    list(TopologicalSorter(found).static_order())
    circular = found | {"datamodules.registry": {"datamodules.base"}}
    with pytest.raises(CycleError):
        list(TopologicalSorter(circular).static_order())


def test_sets_are_reached_by_name_only():
    """Nothing but a set of the same kind imports a file of ind/, nothing imports the sets in ood/."""
    found = graph()
    for name, imports in found.items():
        inside = {m for m in imports if m.startswith("datamodules.ind.")}
        assert not inside or name.startswith("datamodules.ind."), f"{name} imports {inside}"
    lists = ("datamodules.ood.derived", "datamodules.ood.outliers.sets")
    assert not [n for n, imports in found.items() if set(lists) & imports]


def test_sizes():
    """At most about a dozen files in a folder, except in the lists of sets; no long file."""
    for folder in (FOLDER, *(p for p in FOLDER.rglob("*") if p.is_dir() and p.name not in ("ind", "ood"))):
        assert len(list(folder.glob("*.py"))) <= 13, folder
    for path in FOLDER.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path
