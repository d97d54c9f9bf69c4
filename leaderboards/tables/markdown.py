"""The leaderboard in Markdown, for GitHub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from leaderboards.analysis.ranks import Ranks
from leaderboards.analysis.significance import PAIRED_NOTE
from leaderboards.analysis.strata import by_kind, comparisons, strata_rows
from leaderboards.schema import Result
from leaderboards.tables.aggregate import is_miniature
from leaderboards.tables.levels import LEVELS, Column, Level
from leaderboards.tables.sections import Cell, Section, sections
from leaderboards.tables.text import BANNER, GENERAL_NOTE, note, title_of
from lsood.io import markdown_cell as cell


def markdown(
    results: Sequence[Result], pairs: pd.DataFrame | None = None, ranks: Mapping[str, Ranks] | None = None
) -> str:
    """A leaderboard of every level: a table per OoD set and protocol, best values bold, a dagger beside methods that do
    not differ significantly from the best.

    Args:
        pairs: see `leaderboards.analysis.significance`. ranks: {file name of a critical-difference diagram: ranks}.
    """
    lines = ["# Leaderboard", ""]
    if is_miniature(results):
        lines += [f"> **{BANNER}**", ""]
    for level in LEVELS.values():
        lines += _level(results, level, pairs)
        lines += _strata(results, level)
    for picture, found in (ranks or {}).items():
        lines += [
            f"## Mean ranks, protocol {found.protocol}",
            "",
            f"![mean ranks]({picture})",
            "",
            found.note,
            "",
        ]
    run = results[0]
    env = run.environment
    lines += [
        GENERAL_NOTE,
        "",
        *(f"Command: `{command}`" for command in sorted({r.command for r in results})),
    ]
    version = f"Version {run.version}, commit {run.git or 'unknown'}"
    lines += ["", f"{version}, torch {env.torch}, Python {env.python}, {env.device}."]
    return "\n".join(lines) + "\n"


def _level(results: Sequence[Result], level: Level, pairs: pd.DataFrame | None) -> list[str]:
    """Tables of a level and what their columns mean."""
    columns = [column for view in level.views for column in view.columns(view.markdown)]
    table, found = sections(results, level, pairs)
    lines: list[str] = []
    for section in found:
        lines += [f"## {cell(section.title)}", "", *_table(section, section.shown(columns)), ""]
        for remark in section.remarks:
            lines += [cell(remark), ""]
    if lines:
        lines += [note(level, columns, table), ""]
    if any(section.tied or section.untested for section in found):
        lines += [PAIRED_NOTE, ""]
    return lines


def _table(section: Section, columns: Sequence[Column]) -> list[str]:
    heads = " | ".join(column.head for column in columns)
    lines = [f"| method | {heads} | data |", "|---|" + "--:|" * len(columns) + "---|"]
    for line in section.lines(columns):
        name = f"*{cell(line.name)}*" if line.reference else cell(line.name)
        texts = [_figure(one, i == 0, section.level) for i, one in enumerate(line.cells)]
        if line.failed:
            texts = [f"failed: {cell(line.failed)}", *[""] * (len(columns) - 1)]
        data = cell(f"{line.row['ind_origin']} / {line.row['ood_origin']}")
        lines.append(f"| {name} | {' | '.join(texts)} | {data} |")
    return lines


def _figure(one: Cell, first: bool, level: Level) -> str:
    text = cell(one.full if first or level.intervals else one.text)
    text = f"**{text}**" if one.best else text
    return f"{text} {one.tied}" if one.tied else text


def _strata(results: Sequence[Result], level: Level) -> list[str]:
    """What is missed: a table per comparison, kinds down, methods across."""
    metric, lines = level.leading, []
    for title, _, part in comparisons(strata_rows(results, level.name), metric.name):
        heat = by_kind(part, metric.name)
        names = [cell(title_of({"method": method})) for method in heat.index]
        lines += [f"## What is missed ({level.rows}): {cell(title)}", ""]
        lines += [f"| kind, {metric.head} | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
        for kind in heat.columns:
            values = ["" if pd.isna(v) else f"{100 * v:.1f}" for v in heat[kind]]
            lines.append(f"| {cell(str(kind))} | {' | '.join(values)} |")
        lines.append("")
    return [*lines, level.strata_note, ""] if lines else []
