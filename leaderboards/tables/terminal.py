"""Tables for a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from leaderboards.analysis.strata import ANY, MEAN, by_kind, comparisons, strata_rows
from leaderboards.boards import boards, cautions, differences
from leaderboards.schema import Result
from leaderboards.tables.levels import LEVELS, Column, Level, View
from leaderboards.tables.sections import Section, sections
from leaderboards.tables.text import NOT_RECORDED, failed

WIDTH = 80


def terminal_tables(results: Sequence[Result]) -> list[Table]:
    """For every run and level a table per OoD set, protocol and group of metrics, then what is missed by kind of
    anomaly; before the tables of a run what sets it apart from others, and warnings.
    """
    tables: list[Table] = []
    found = boards(results)
    for board in found:
        if len(found) > 1:
            tables.append(_lines([f"run {board.id}: {board.results[0].ind.name}; {differences(found)}"]))
        if warnings := cautions(board.results):
            tables.append(_lines(warnings))
        tables += _board(board.results)
    return tables


def _lines(texts: Sequence[str]) -> Table:
    """Lines of text among the tables."""
    table = Table(box=None, show_header=False, padding=(0, 0))
    table.add_column(overflow="fold")
    for text in texts:
        table.add_row(Text(f"\n{text}", "yellow"))
    return table


def _board(results: Sequence[Result]) -> list[Table]:
    tables: list[Table] = []
    for level in LEVELS.values():
        for section in sections(results, level)[1]:
            for view in level.views:
                columns = section.shown(view.columns(view.terminal))
                there = not all(failed(row, columns) for _, row in section.rows.iterrows())
                if there or not view.block:
                    tables.append(_table(section, view, columns))
        tables += _strata(results, level)
    return tables


def _table(section: Section, view: View, columns: Sequence[Column]) -> Table:
    title = section.title
    if view.block:
        title = f"{view.heading}: {title.removeprefix(section.level.prefix)}"
    table = Table(title=Text(f"\n{title}"), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_edge, table.pad_edge, table.padding = False, False, (0, 1, 0, 0)
    table.add_column("method", overflow="fold", min_width=8, vertical="bottom")
    for column in columns:
        table.add_column(column.title.replace(" ", "\n"), justify="right", no_wrap=True, vertical="bottom")
    reasons: dict[str, int] = {}
    leading = section.level.leading
    for line in section.lines(columns, view):
        if line.reference:
            table.add_section()
        cells = []
        for cell in line.cells:
            text = cell.full if cell.column.name == leading.name else cell.text
            text = "-" if text == NOT_RECORDED else text
            cells.append(Text(text, "dim" if line.reference else "bold green" if cell.best else ""))
        if line.failed:
            number = reasons.setdefault(line.failed, len(reasons) + 1)
            cells[0] = Text(f"failed ({number})", "red")
        table.add_row(Text(line.row["method"], cells[0].style if not line.failed else ""), *cells)
    if reasons:
        table.caption = Text("\n".join(f"({n}) {text}" for text, n in reasons.items()), "red")
        table.caption_justify = "left"
    return table


def _strata(results: Sequence[Result], level: Level) -> Iterator[Table]:
    """Kinds down, methods across, in percent; further tables for methods that need more room."""
    metric = level.leading
    for title, _, part in comparisons(strata_rows(results, level.name), metric.name):
        heat = by_kind(part, metric.name)
        counts = part[part["severity"] == ANY].groupby("kind")["n"].first()
        heads = {str(method): _headline(str(method)) for method in heat.index}
        room = WIDTH - max(map(len, heat.columns)) - 1 - len(str(counts.max()))
        for i, methods in enumerate(_split(heads, room)):
            name = f"\nwhat is missed ({level.rows}): {metric.title} by kind · {title}"
            table = Table(title=Text(f"{name}{' · further methods' if i else ''}"), title_justify="left")
            table.box, table.padding, table.show_edge, table.title_style = box.SIMPLE_HEAD, 0, False, "bold"
            table.add_column("kind", no_wrap=True, vertical="bottom")
            table.add_column("n", justify="right", vertical="bottom")
            for method in methods:
                table.add_column(Text(heads[method]), justify="right", overflow="fold", vertical="bottom")
            for kind in heat.columns:
                if kind == MEAN:
                    table.add_section()
                cells = [_coloured(value, level) for value in heat.loc[methods, kind]]
                table.add_row(Text(kind), str(counts.get(kind, "")), *cells)
            yield table


def _coloured(value: float, level: Level) -> Text:
    """In percent; where chance is 50, red below 60 and green from 90."""
    if pd.isna(value):
        return Text("")
    colour = "red" if value < 0.6 else "green" if value >= 0.9 else ""
    return Text(f"{100 * value:.0f}", colour if level.leading.name == "auroc" else "")


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
