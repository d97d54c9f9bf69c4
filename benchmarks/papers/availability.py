"""Where the data of a paper's table are, and what a reproduction needs: ``python -m benchmarks.reproduce --list``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

import networks
from datamodules import DATAMODULES, NOISE, OOD_SETS, SHIFTED, BenchmarkDataModule
from datamodules.locate import find
from leaderboards.papers.tables import Expense, PaperTable


@dataclass(frozen=True)
class State:
    """A data set: whether it can be read, whether --download fetches it, and a line about it."""

    there: bool
    fetched: bool
    text: str


def of(name: str, table: PaperTable, root: Path | None) -> State:
    """A data set of a table below a data root; None: generated miniatures stand in where there are any."""
    base = name.removesuffix("-anomalies")
    if base != name and base in DATAMODULES:
        return State(of(base, table, root).there, False, f"drawn on the test images of {base}")
    if name in SHIFTED:
        base = SHIFTED[name].ind
        return State(of(base, table, root).there, False, f"drawn on the test images of {base}")
    if name in NOISE:
        return State(True, False, "drawn from a seed")
    if name in table.elsewhere and base not in DATAMODULES and base not in OOD_SETS:
        return State(False, False, f"no loader here; {table.elsewhere[name]}")
    if base in DATAMODULES:
        module = DATAMODULES[base]
        fetched = module.fetch.__func__ is not BenchmarkDataModule.fetch.__func__  # type: ignore[attr-defined]
        return _state(root, True, module.folders, module.is_there, fetched, module.layout, module.source)
    entry = OOD_SETS[base]
    return _state(
        root, entry.mini, entry.folders, entry.is_there, entry.fetch is not None, entry.layout, entry.source
    )


def _state(root, mini, folders, is_there, fetched, layout, source) -> State:  # type: ignore[no-untyped-def]
    if root is None:
        if mini:
            return State(True, fetched, "miniature (no --data-root)")
        return State(
            False, False, f"no miniature; name a --data-root that holds {layout}; get it from {source}"
        )
    folder = find(root, folders, is_there)
    if folder is not None:
        return State(True, fetched, f"in {folder}")
    how = "--download fetches it" if fetched else "cannot be downloaded automatically"
    return State(False, fetched, f"not in {root}: expected {layout}; {how}; get it from {source}")


def hours(cost: Expense) -> str:
    """The expected cost in a few words."""
    parts = [
        f"{kind} {value:g} h"
        for kind, value in (("CPU", cost.cpu_hours), ("GPU", cost.gpu_hours))
        if value is not None
    ]
    return ", ".join(parts) or "no estimate"


def listing(tables: Sequence[PaperTable], root: Path | None) -> list[Text]:
    """Every table: how many numbers it reports, its network, what it costs, and where its data are."""
    blocks = []
    for table in tables:
        network = table.network + ("" if table.network in networks.NETWORKS else " (not here)")
        text = Text(f"{table.name}", "bold")
        text.append(f"  {table.title}; {table.numbers} reported numbers; network {network}\n", "not bold")
        text.append(f"  cost: {hours(table.cost)}; {table.cost.note}\n", "not bold")
        for name in dict.fromkeys((table.ind, *table.sets)):
            state = of(name, table, root)
            mark, style = ("there", "not bold green") if state.there else ("missing", "not bold yellow")
            text.append(f"  {mark:7} {name}: ", style)
            text.append(f"{state.text}\n", "not bold")
        for name, need in table.needs.items():
            text.append(f"  needs   {name}: {need}\n", "not bold")
        blocks.append(text)
    return blocks
