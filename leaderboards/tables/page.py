"""The leaderboard as one self-contained HTML page: readable without JavaScript, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd

from leaderboards.analysis.gain import NAIVE
from leaderboards.analysis.ranks import Ranks
from leaderboards.analysis.significance import PAIRED_NOTE
from leaderboards.analysis.strata import comparisons, strata_rows
from leaderboards.boards import Board, boards, cautions, differences, origins
from leaderboards.schema import IMAGE, PIXEL, Result
from leaderboards.tables.aggregate import is_miniature
from leaderboards.tables.escape import cell, code
from leaderboards.tables.heat import heat_parts, scale
from leaderboards.tables.levels import GAIN, LEVELS, SECONDS, Column, Level, View
from leaderboards.tables.sections import Section, sections
from leaderboards.tables.text import (
    BANNER,
    GENERAL_NOTE,
    NOT_RECORDED,
    SEVERAL,
    failed,
    note,
)

Pictures = Mapping[tuple[str, str, str, str], Sequence[str]]


def environment() -> jinja2.Environment:
    """Of the templates of all pages."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("leaderboards"),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"cell": cell, "code": code, "recorded": _recorded}
    return found


def _recorded(value: float | None, form: str) -> str:
    return NOT_RECORDED if value is None else form % value


def page(
    results: Sequence[Result],
    pictures: Pictures | None = None,
    pairs: pd.DataFrame | None = None,
    ranks: Mapping[str, Ranks] | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """HTML of the leaderboard; the same results give the same bytes.

    Args:
        pictures: {(level, run, OoD set, its fingerprint): file names beside the page}; below the set's first table.
        pairs: comparisons of methods, see `leaderboards.analysis.significance`.
        ranks: {file name of a critical-difference diagram: ranks}.
        left_out: a line for each file that is missing in the tables.
    """
    found = boards(results)
    return (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            boards=[_board(board, pictures or {}, pairs) for board in found],
            several=f"{SEVERAL.format(n=len(found))}: {differences(found)}." if len(found) > 1 else "",
            left_out=left_out,
            names=", ".join(dict.fromkeys(run.ind.name for run in results)),
            origins=origins(results),
            created=sorted({run.created for run in results}),
            ranks=ranks or {},
            banner=BANNER if is_miniature(results) else None,
            general_note=GENERAL_NOTE,
            missing=NOT_RECORDED,
            forwarded=_forwarded(found),
            runs=sorted(results, key=lambda run: (list(LEVELS).index(run.level), run.method, run.seed)),
            commands=sorted({run.command for run in results}),
        )
    )


def _forwarded(found: Sequence[Board]) -> list[str]:
    """A line for every seed of a run: images that networks were applied to, by phase, and seconds of these passes."""
    lines = {}
    for board, run in [(one, run) for one in found for run in one.results]:
        counts, seconds = dict(run.cost.images_forwarded), run.cost.pass_seconds
        cached = counts.pop("from_cache", 0)
        phases = ", ".join(f"{phase.replace('_', ' ')} {n}" for phase, n in counts.items()) or "none"
        told = f"forwarded: {phases}; read from the cache: {cached}; passes: {_recorded(seconds, '%.1f s')}"
        name = f"run {board.id}, " if len(found) > 1 else ""
        text = told if run.cost.images_forwarded else NOT_RECORDED
        lines[board.id, run.created, run.seed, text] = f"{name}seed {run.seed}, {run.created}: {text}"
    return list(lines.values())


def _board(board: Board, pictures: Pictures, pairs: pd.DataFrame | None) -> dict[str, Any]:
    """A board as the template needs it."""
    return {
        "id": board.id,
        "cautions": cautions(board.results),
        "ind": board.results[0].ind,
        "sets": _sets(board.results),
        "levels": [_level(board.results, level, pictures, pairs, board.id) for level in LEVELS.values()],
    }


def _level(
    results: Sequence[Result], level: Level, pictures: Pictures, pairs: pd.DataFrame | None, board: str
) -> dict[str, Any]:
    """Tables, heat-maps and notes of a level as the template needs them."""
    table, found = sections(results, level, pairs)
    shown: set[tuple[str, str]] = set()
    parts = []
    for section in found:
        first = section.ood not in shown
        shown.add(section.ood)
        parts.append(_section(section, pictures.get((level.name, board, *section.ood), ()) if first else ()))
    strata = strata_rows(results, level.name)
    return {
        "sections": parts,
        "note": note(level, level.columns, table) if parts else "",
        "paired": PAIRED_NOTE if level.name == IMAGE and pairs is not None and len(pairs) else "",
        "leading": level.leading.title,
        "heat": [
            heat_parts(f"{title} · {level.rows}", part, level)
            for title, _, part in comparisons(strata, level.leading.name)
        ],
        "scale": scale(level),
        "strata_note": level.strata_note,
    }


def _section(section: Section, figures: Sequence[str]) -> dict[str, Any]:
    level = section.level
    views = []
    for view in level.views:
        columns = _columns(section, view)
        if not view.block or not all(failed(row, columns) for _, row in section.rows.iterrows()):
            views.append(_view(section, columns, view.heading))
    means = None
    if level.means is not None and len(section.means):
        n = section.means["n_images"].iloc[0]
        columns = [c for c in level.views[0].columns() if section.means[c.name].notna().any()]
        heading = f"{level.means[1].capitalize()}: {n} images with pixels of both classes"
        means = _view(section, columns, heading, section.means)
    return {
        "title": section.title,
        "views": views,
        "means": means,
        "remarks": section.remarks,
        "figures": figures,
    }


def _columns(section: Section, view: View) -> list[Column]:
    """Every metric of a view; beside the main ones gain, and seconds where rows are scored after the pass."""
    first, *rest = view.columns()
    seconds = [] if section.level.name == PIXEL else [SECONDS]
    return [first, *rest] if view.block else section.shown([first, GAIN, *rest, *seconds])


def _view(
    section: Section, columns: Sequence[Column], heading: str, rows: pd.DataFrame | None = None
) -> dict[str, Any]:
    """A table: of the section, or of other rows such as means over images."""
    leading, table = columns[0].name, section.rows if rows is None else rows
    reference = table.loc[table["method"] == section.level.reference, leading]
    mark = table["naive"].mean() if section.level.reference == NAIVE else reference.mean()
    return {
        "heading": heading,
        "columns": columns,
        "leading": leading,
        "intervals": section.level.intervals,
        "seconds": SECONDS,
        "mark": None if pd.isna(mark) else round(100 * mark, 2),
        "lines": [(line, _bar(line.row, leading)) for line in section.lines(columns, rows=rows)],
    }


def _bar(row: pd.Series, metric: str) -> list[float] | None:
    """Low end, value and high end in percent: the interval, or one standard deviation to each side."""
    value, std = row[metric], row[f"{metric}_std"]
    if pd.isna(value):
        return None
    half = 0.0 if pd.isna(std) else std
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    ends = (value - half if pd.isna(low) else low, value, value + half if pd.isna(high) else high)
    return [round(100 * min(max(end, 0), 1), 2) for end in ends]


def _sets(results: Sequence[Result]) -> list[tuple[str, str, str, int | None]]:
    """Name, origin, fingerprint and number of images of every OoD set."""
    found: dict[tuple[str, str, str], int | None] = {}
    for run in results:
        for one in run.ood:
            images = one.n_images
            if images is None and run.level == IMAGE and one.failure is None:
                images = one.n_out
            key = (one.name, one.origin, one.fingerprint)
            found[key] = images if found.get(key) is None else found[key]
    return [(*key, images) for key, images in found.items()]
