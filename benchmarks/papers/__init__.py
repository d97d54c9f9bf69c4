"""The tables of papers: a YAML file each, read into `leaderboards.papers.tables.PaperTable`.

``shared/<name>.yaml`` holds caveats that several tables have in common; a table names it in ``caveats_from``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

import networks
from datamodules import DATAMODULES, known_names
from leaderboards.papers.tables import PaperTable, table_from
from lsood.methods import create
from lsood.text import unknown

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Of every table, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@functools.cache
def load(name: str) -> PaperTable:
    """A table by its name.

    Raises:
        ValueError: unknown name (the right ones are listed), or a file that is damaged.
    """
    if name not in names():
        raise unknown("table", name, names())
    return read(FOLDER / f"{name}.yaml")


def tables() -> list[PaperTable]:
    """All of them."""
    return [load(name) for name in names()]


def read(path: Path) -> PaperTable:
    """A table from a file.

    Raises:
        ValueError: naming the file and the first thing that is wrong.
    """
    content = _parse(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must hold a mapping")
    if shared := content.pop("caveats_from", None):
        general = [_restricted(caveat, content) for caveat in _parse(FOLDER / "shared" / f"{shared}.yaml")]
        content["caveats"] = [*(content.get("caveats") or []), *(c for c in general if c is not None)]
    table = table_from(content, path.name)
    if table.name != path.stem:
        raise ValueError(f"{path.name}: name is {table.name!r}, the file is named otherwise")
    for method in table.methods:
        try:
            create(method)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    for name in filter(None, (table.preset, table.fast_preset)):
        if networks.preset(name).network != table.network:
            raise ValueError(
                f"{path.name}: preset {name} trains {networks.preset(name).network}, not {table.network}"
            )
    if table.ind not in DATAMODULES:
        raise ValueError(f"{path.name}: {unknown('data set', table.ind, DATAMODULES)}")
    known = [*known_names(), *table.elsewhere]
    for images in table.sets:
        if images not in known:
            raise ValueError(f"{path.name}: {unknown('data set', images, known)}; or name it in elsewhere")
    return table


def _restricted(caveat: dict[str, Any], table: dict[str, Any]) -> dict[str, Any] | None:
    """A shared caveat with only those names that the table has; None: it is about none of its cells."""
    kept = dict(caveat)
    for kind in ("rows", "ood", "metrics"):
        if kind in caveat:
            there = {entry.get("name") for entry in table.get(kind) or [] if isinstance(entry, dict)}
            kept[kind] = [name for name in caveat[kind] if name in there]
            if not kept[kind]:
                return None
    return kept


def _parse(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, FileNotFoundError) as error:
        raise ValueError(f"{path.name}: {' '.join(str(error).split())}") from error
