"""What each detector misses: rows by kind of anomaly and severity, and tables of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from leaderboards.analysis.naive import NAIVE
from leaderboards.schema import OodCell, Result, Stratum
from leaderboards.tables.images import over_seeds

ANY = "all"
COLUMNS = ("ind", "network", "protocol", "ood", "method", "kind", "severity", "n", "seeds")
METRICS = ("auroc", "fpr95")
MEAN = "mean of kinds"
FILLED = 1 / 3
TERMINAL = 80
STRATA_NOTE = (
    "By kind and severity: AUROC of its images versus all in-distribution images; intervals "
    "by bootstrap over source images. Cells of fewer than 5 images are blank. 50 is chance: the detector misses it. "
    "Below 50 it finds the anomalous images more normal than the normal ones."
)


def strata_rows(results: Sequence[Result]) -> pd.DataFrame:
    """One row per in-distribution set, network, protocol, OoD set, method and stratum; "all" in the columns kind
    and severity stands for any. Several seeds: means, with <metric>_std; one: <metric>_low and _high.
    """
    found: dict[tuple[Any, ...], list[Stratum]] = {}
    for run, cell in [(r, c) for r in results for c in r.ood]:
        for stratum in cell.strata:
            found.setdefault((*_group(run, cell), *_name(stratum)), []).append(stratum)
    lines = [
        dict(zip(COLUMNS, (*group, members[0].n, len(members)), strict=True))
        | over_seeds([m.metrics for m in members], METRICS)
        for group, members in found.items()
    ]
    figures = [f"{metric}{part}" for metric in METRICS for part in ("", "_low", "_high", "_std")]
    table = pd.DataFrame(lines, columns=[*COLUMNS, *figures])
    return table.sort_values(list(COLUMNS[:7]), key=lambda column: column.astype(str), ignore_index=True)


def _group(run: Result, cell: OodCell) -> tuple[str, ...]:
    return run.ind.name, run.network.name, run.protocol, cell.name, run.method


def _name(stratum: Stratum) -> tuple[str, str]:
    return stratum.kind or ANY, ANY if stratum.severity is None else str(stratum.severity)


def write_csv(results: Sequence[Result], path: Path) -> None:
    """Every row."""
    strata_rows(results).to_csv(path, index=False, lineterminator="\n")


def comparisons(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(title, OoD set, rows) of what may be compared."""
    groups = table.groupby(["ind", "network", "protocol", "ood"], sort=False)
    return [
        (f"{ind} vs {ood} · {network} · protocol {protocol}", ood, part)
        for (ind, network, protocol, ood), part in groups
    ]


def by_kind(part: pd.DataFrame, metric: str = "auroc") -> pd.DataFrame:
    """Methods x kinds: best method first and the naive one last, the kind most missed first; the last column is
    the mean over the kinds that every method has.
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
    return table.reindex(by_kind(part).index)


def grid(part: pd.DataFrame, method: str, metric: str = "auroc") -> pd.DataFrame:
    """Kinds x severities of one method, kinds in the order of `by_kind`; NaN where there are too few images."""
    chosen = part[(part["method"] == method) & (part["kind"] != ANY) & (part["severity"] != ANY)]
    table = chosen.pivot(index="kind", columns="severity", values=metric).astype(float)
    kinds = [kind for kind in by_kind(part).columns if kind != MEAN]
    return table.reindex(kinds)


def grids(part: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{method: kinds x severities}, of methods for which a third of the cells and more have enough images; kinds
    without any such cell are left out.
    """
    found = {str(method): grid(part, str(method)) for method in by_kind(part).index}
    shown = {name: table for name, table in found.items() if table.notna().to_numpy().mean() >= FILLED}
    kinds = [kind for kind in by_kind(part).columns if kind != MEAN]
    kept = [kind for kind in kinds if any(table.loc[kind].notna().any() for table in shown.values())]
    return {name: table.loc[kept] for name, table in shown.items()}


def rich_strata(results: Sequence[Result]) -> list[Table]:
    """For a terminal of 80 columns: kinds down, methods across, AUROC in percent; further tables for methods that
    need more room.
    """
    tables = []
    for title, _, part in comparisons(strata_rows(results)):
        heat = by_kind(part)
        if heat.empty:
            continue
        counts = part[part["severity"] == ANY].groupby("kind")["n"].first()
        heads = {str(method): _headline(str(method)) for method in heat.index}
        room = TERMINAL - max(map(len, heat.columns)) - 1 - len(str(counts.max()))
        for i, methods in enumerate(_split(heads, room)):
            name = f"what is missed: AUROC by kind · {title}{' · further methods' if i else ''}"
            table = Table(title=Text(name), title_justify="left", title_style="bold")
            table.box, table.padding, table.show_edge = box.SIMPLE_HEAD, 0, False
            table.add_column("kind", no_wrap=True, vertical="bottom")
            table.add_column("n", justify="right", vertical="bottom")
            for method in methods:
                table.add_column(Text(heads[method]), justify="right", overflow="fold", vertical="bottom")
            for kind in heat.columns:
                if kind == MEAN:
                    table.add_section()
                cells = [Text(*_shown(value)) for value in heat.loc[methods, kind]]
                table.add_row(Text(kind), str(counts.get(kind, "")), *cells)
            tables.append(table)
    return tables


def _headline(method: str) -> str:
    """A method's name, in lines that end where its parts do."""
    return method if len(method) <= 8 else re.sub(r"(?<=[-@.:_])(?=.)", "\n", method)


def _split(heads: dict[str, str], room: int) -> list[list[str]]:
    """The methods in as few parts of about the same number as have columns that fit the room."""
    wide = {method: 1 + max(map(len, head.split("\n"))) for method, head in heads.items()}
    parts: list[list[str]] = []
    for count in range(1, len(heads) + 1):
        parts = [list(part) for part in np.array_split(list(heads), count)]
        if all(sum(wide[method] for method in part) <= room for part in parts):
            break
    return parts


def _shown(value: float) -> tuple[str, str]:
    if pd.isna(value):
        return "", ""
    return f"{100 * value:.0f}", "red" if value < 0.6 else "green" if value >= 0.9 else ""


def markdown_strata(results: Sequence[Result]) -> list[str]:
    """Lines of Markdown: a table per comparison, kinds down, methods across."""
    lines: list[str] = []
    for title, _, part in comparisons(strata_rows(results)):
        heat = by_kind(part)
        if heat.empty:
            continue
        names = [_cell(method) for method in heat.index]
        lines += [f"## What is missed: {_cell(title)}", ""]
        lines += ["| kind, AUROC ↑ | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
        for kind in heat.columns:
            values = ["" if pd.isna(v) else f"{100 * v:.1f}" for v in heat[kind]]
            lines.append(f"| {_cell(kind)} | " + " | ".join(values) + " |")
        lines.append("")
    return [*lines, STRATA_NOTE, ""] if lines else []


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def kinds_of(results: Sequence[Result]) -> list[str]:
    """Every kind in the results, sorted."""
    cells = itertools.chain.from_iterable(run.ood for run in results)
    return sorted({s.kind for cell in cells for s in cell.strata if s.kind})
