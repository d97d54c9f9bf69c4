"""The tables of a level with all that is marked in them, for every kind of output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from leaderboards.analysis.gain import has_naive
from leaderboards.analysis.significance import TIED, tied_with_best, untested
from leaderboards.schema import IMAGE, Result
from leaderboards.tables.aggregate import POOLED, TABLE, failure_column, groups, rows
from leaderboards.tables.assumptions import assumptions
from leaderboards.tables.levels import ARROWS, GAIN, Column, Level, View
from leaderboards.tables.text import failed, figure, reason, title_of, value


@dataclass(frozen=True)
class Cell:
    """A figure as text, with its interval in ``full``, and its marks."""

    column: Column
    value: float
    text: str
    full: str
    best: bool
    tied: str


@dataclass(frozen=True)
class Line:
    """A row of a table; ``failed`` says why it has no figures, ``reference`` whether it stands apart."""

    row: pd.Series
    name: str
    reference: bool
    failed: str
    cells: list[Cell]


@dataclass(frozen=True)
class Section:
    """One table: an in-distribution set, network, protocol and OoD set.

    Attributes:
        rows: of `leaderboards.tables.aggregate.rows`, the best first. means: the same as means over images.
        tied: methods that do not differ significantly from the best.
        untested: {why: methods that could not be compared with it}.
    """

    level: Level
    title: str
    rows: pd.DataFrame
    means: pd.DataFrame
    tied: set[str]
    untested: dict[str, list[str]]

    @property
    def ood(self) -> tuple[str, str]:
        """Name and fingerprint of the OoD set."""
        return str(self.rows["ood"].iloc[0]), str(self.rows["ood_fingerprint"].iloc[0])

    @cached_property
    def best(self) -> dict[str, float]:
        """{metric: best value}: of the leading metric, or of every metric whose values differ where the level marks the
        best of every column. The reference row does not compete.
        """
        level, found = self.level, {}
        ranked = self.rows[self.rows["method"] != level.reference]
        for column in level.columns if level.best else [level.leading]:
            if column.better not in ARROWS:
                continue
            values = ranked[column.name].dropna()
            if values.nunique() > (1 if level.best else 0):
                found[column.name] = float(values.max() if column.better == "higher" else values.min())
        return found

    def lines(
        self, columns: Sequence[Column], view: View | None = None, rows: pd.DataFrame | None = None
    ) -> list[Line]:
        """The rows with these columns as text.

        Args:
            view: of which the reasons of failed rows are given; default any. rows: default the table's; no best values
                are marked in others.
        """
        found = []
        for _, row in (self.rows if rows is None else rows).iterrows():
            reference = row["method"] == self.level.reference
            best = {} if reference or rows is not None else self.best
            cells = [
                Cell(
                    column,
                    value(row, column),
                    figure(row, column),
                    figure(row, column, interval=True),
                    column.name in best and value(row, column) == best[column.name],
                    TIED if column is columns[0] and row["method"] in self.tied else "",
                )
                for column in columns
            ]
            why = reason(row, view) if failed(row, columns) else ""
            found.append(Line(row, title_of(row), reference, why, cells))
        return found

    def shown(self, columns: Sequence[Column]) -> list[Column]:
        """The columns without the gain where the baseline did not run, and without metrics that no row has, of earlier
        versions.
        """
        absent = {
            column.name
            for column in columns
            if column.name in self.rows and self.rows[column.name].isna().all()
        }
        if self.level.leading.name in absent:
            absent = set()
        absent = absent - {GAIN.name} if has_naive(self.rows) else absent | {GAIN.name}
        return [column for column in columns if column.name not in absent]

    @property
    def remarks(self) -> list[str]:
        """Sentences below the table: the stated false-alarm rate, methods that were not compared, what intervals
        assume, and why rows lack the metrics of a block.
        """
        found = []
        rated = self.rows[self.rows["stated_rate"].notna()]
        for rate, images in sorted({*zip(rated["stated_rate"], rated["calibration"], strict=True)}):
            found.append(f"Thresholds are set for {100 * rate:.3g} % false alarms, on {images}.")
        for why, names in self.untested.items():
            found.append(f"Not compared with the best, because {why}: {', '.join(names)}.")
        found += assumptions(self.rows[self.rows["method"] != self.level.reference])
        for block in (view.block for view in self.level.views if view.block):
            reasons = self.rows.loc[self.rows["failure"].isna(), failure_column(block)].dropna()
            found += [f"No {block} metrics: {text}." for text in sorted(set(reasons))]
        return found


def sections(
    results: Sequence[Result], level: Level, pairs: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[Section]]:
    """All rows of a level, and its tables.

    Args:
        pairs: comparisons of methods at the image level, see `leaderboards.analysis.significance`.
    """
    table, found = rows(results, level.name), []
    compared = pairs is not None and len(pairs) > 0 and level.name == IMAGE
    for title, part in groups(table, level.name):
        tied, left = (tied_with_best(pairs, part), untested(pairs, part)) if compared else (set(), {})
        means = table.iloc[:0]
        if level.means is not None:
            first = part.iloc[0]
            same = [table[name] == first[name] for name in TABLE]
            means = table[(table["part"] != POOLED) & pd.concat(same, axis=1).all(axis=1)]
        found.append(Section(level, title, part, means, tied, left))
    return table, found
