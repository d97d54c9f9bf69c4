"""What each detector misses: rows by kind of anomaly and severity, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leaderboards.analysis.gain import NAIVE
from leaderboards.boards import boards
from leaderboards.schema import IMAGE, Result, Stratum
from leaderboards.tables.aggregate import ENDS, TABLE, over_seeds, setting_of, title_of_table
from leaderboards.tables.levels import LEVELS

ANY = "all"
COLUMNS = (*TABLE, "method", "kind", "severity", "n", "seeds")
MEAN = "mean of kinds"
FILLED = 1 / 3


def strata_rows(results: Sequence[Result], level: str = IMAGE) -> pd.DataFrame:
    """One row per run, in-distribution set, network, protocol, OoD set, method and stratum of a level; "all" in columns
    kind and severity stands for any. Several seeds: means, with <metric>_std; one: <metric>_low and _high. Metrics are
    those that any stratum has.
    """
    found: dict[tuple[Any, ...], list[Stratum]] = {}
    every = boards(results)
    place = {board.id: i for i, board in enumerate(every)}
    for board, run, cell in [(b, r, c) for b in every for r in b.results for c in r.ood if r.level == level]:
        setting = setting_of(run, cell, board.id)
        for stratum in cell.strata:
            name = (stratum.kind or ANY, ANY if stratum.severity is None else str(stratum.severity))
            found.setdefault((*(setting[n] for n in TABLE), run.method, *name), []).append(stratum)
    there = {name for members in found.values() for stratum in members for name in stratum.metrics}
    metrics = [column.name for column in LEVELS[level].columns if column.name in there]
    lines = [
        dict(zip(COLUMNS, (*group, members[0].n, len(members)), strict=True))
        | over_seeds([m.metrics for m in members], metrics)
        for group, members in found.items()
    ]
    table = pd.DataFrame(lines, columns=[*COLUMNS, *(f"{metric}{end}" for metric in metrics for end in ENDS)])
    table = table.sort_values(list(COLUMNS[: len(TABLE) + 3]), key=lambda column: column.astype(str))
    return table.sort_values("run_id", key=lambda ids: ids.map(place), kind="stable", ignore_index=True)


def all_strata(results: Sequence[Result]) -> pd.DataFrame:
    """:func:`strata_rows` of every level, with a column level."""
    tables = [(name, strata_rows(results, name)) for name in LEVELS]
    there = [table.assign(level=name) for name, table in tables if len(table)]
    if not there:
        return pd.DataFrame(columns=["level", *COLUMNS])
    table = pd.concat(there, ignore_index=True)
    return table[["level", *(name for name in table if name != "level")]]


def comparisons(table: pd.DataFrame, metric: str = "auroc") -> list[tuple[str, str, pd.DataFrame]]:
    """(title, OoD set, rows) of what may be compared and has values of the metric for kinds."""
    return [
        (title_of_table(setting := dict(zip(TABLE, key, strict=True)), table), setting["ood"], part)
        for key, part in table.groupby(list(TABLE), sort=False)
        if metric in part and not by_kind(part, metric).empty
    ]


def by_kind(part: pd.DataFrame, metric: str = "auroc") -> pd.DataFrame:
    """Methods x kinds: best method first and the image-statistics baseline last, the kind most missed first; the last
    column is the mean over the kinds that every method has.
    """
    chosen = part[(part["kind"] != ANY) & (part["severity"] == ANY)]
    table = chosen.pivot(index="method", columns="kind", values=metric).astype(float)
    table = table.dropna(axis=1, how="all").dropna(axis=0, how="all")
    shared = table.dropna(axis=1)
    ranked = table[table.index != NAIVE]
    order = (ranked if len(ranked) else table).mean().sort_values(kind="stable").index
    table = table[order].assign(**{MEAN: shared.mean(axis=1)})
    table = table.sort_values(MEAN, ascending=False, kind="stable")
    naive = table.index == NAIVE
    return pd.concat([table[~naive], table[naive]])


def by_severity(part: pd.DataFrame, metric: str = "auroc") -> pd.DataFrame:
    """Methods x severities, in the order of `by_kind`."""
    chosen = part[(part["kind"] == ANY) & (part["severity"] != ANY)]
    table = chosen.pivot(index="method", columns="severity", values=metric).astype(float)
    return table.reindex(by_kind(part, metric).index)


def grid(part: pd.DataFrame, method: str, metric: str = "auroc") -> pd.DataFrame:
    """Kinds x severities of one method, kinds in the order of `by_kind`; NaN where there are too few images."""
    chosen = part[(part["method"] == method) & (part["kind"] != ANY) & (part["severity"] != ANY)]
    table = chosen.pivot(index="kind", columns="severity", values=metric).astype(float)
    kinds = [kind for kind in by_kind(part, metric).columns if kind != MEAN]
    return table.reindex(kinds)


def grids(part: pd.DataFrame, metric: str = "auroc") -> dict[str, pd.DataFrame]:
    """{method: kinds x severities}, of methods for which a third of the cells and more have enough images; kinds
    without any such cell are left out.
    """
    heat = by_kind(part, metric)
    found = {str(method): grid(part, str(method), metric) for method in heat.index}
    shown = {
        name: table
        for name, table in found.items()
        if not table.empty and table.notna().to_numpy().mean() >= FILLED
    }
    kinds = [kind for kind in heat.columns if kind != MEAN]
    kept = [kind for kind in kinds if any(table.loc[kind].notna().any() for table in shown.values())]
    return {name: table.loc[kept] for name, table in shown.items()}
