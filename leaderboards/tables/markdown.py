"""The leaderboard in Markdown, for GitHub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from leaderboards.analysis.ranks import Ranks
from leaderboards.analysis.significance import PAIRED_NOTE
from leaderboards.analysis.strata import by_kind, comparisons, strata_rows
from leaderboards.boards import Board, boards, cautions, differences, origins
from leaderboards.schema import Result
from leaderboards.tables.aggregate import is_miniature
from leaderboards.tables.escape import cell, code
from leaderboards.tables.levels import LEVELS, Column, Level
from leaderboards.tables.sections import Cell, Section, sections
from leaderboards.tables.text import BANNER, GENERAL_NOTE, SEVERAL, note, title_of


def markdown(
    results: Sequence[Result],
    pairs: pd.DataFrame | None = None,
    ranks: Mapping[str, Ranks] | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """A leaderboard of every run and level: a table per OoD set and protocol, best values bold, a dagger beside methods
    that do not differ significantly from the best.

    Args:
        left_out: a line for each file that is missing in the tables.
        pairs: see `leaderboards.analysis.significance`. ranks: {file name of a critical-difference diagram: ranks}.
    """
    lines = ["# Leaderboard", ""]
    if is_miniature(results):
        lines += [f"> **{BANNER}**", ""]
    for line in left_out:
        lines += [f"> Warning: {cell(line)}", ""]
    found = boards(results)
    if len(found) > 1:
        lines += [f"{SEVERAL.format(n=len(found))}: {cell(differences(found))}.", ""]
    for board in found:
        lines += [f"# Run {board.id}", ""] if len(found) > 1 else []
        lines += _board(board, pairs)
    for picture, rank in (ranks or {}).items():
        title = f"## Mean ranks, protocol {cell(rank.protocol)}"
        lines += [title, "", f"![mean ranks]({picture})", "", cell(rank.note), ""]
    lines += [GENERAL_NOTE, ""]
    for command in sorted({run.command for run in results}):
        lines += [f"Command: {code(command)}", ""]
    for text in origins(results):
        lines += [cell(f"{text[:1].upper()}{text[1:]}."), ""]
    return "\n".join(lines[:-1]) + "\n"


def _board(board: Board, pairs: pd.DataFrame | None) -> list[str]:
    """What is wrong with a board in one line each, and its tables."""
    lines = [line for text in cautions(board.results) for line in (f"> {cell(text)}", "")]
    for level in LEVELS.values():
        lines += _level(board.results, level, pairs)
        lines += _strata(board.results, level)
    return lines


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
    text = cell(one.full if first or one.column.name in level.intervals else one.text)
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
