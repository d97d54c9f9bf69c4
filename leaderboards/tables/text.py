"""Figures, names and notes as every kind of table prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leaderboards.analysis.gain import NAIVE, has_naive
from leaderboards.tables.aggregate import failure_column
from leaderboards.tables.levels import GAIN, RANDOM, SECONDS, Column, Level, View

NOT_RECORDED = "not recorded"
SEVERAL = "{n} runs that do not belong together, each with tables of its own"
NAIVE_TITLE = "image-statistics baseline"
BANNER = (
    "MINIATURE: generated images stand in for real data; these numbers say nothing about the real data sets."
)
GAIN_NOTE = (
    "Gain: (AUROC - b) / (1 - b) in percent, with b the AUROC of the image-statistics baseline on the same images, at "
    "least 50: at 0 the method does no better than eleven statistics of the image without a network. Empty where the "
    "baseline is perfect."
)
GENERAL_NOTE = (
    "Scores: higher = more anomalous. Metrics are in percent, counts and seconds are not. With several seeds: mean and "
    "population standard deviation."
)


def value(row: Any, column: Column) -> float:
    """A figure of a row as a number, NaN for none."""
    found = row["fit_seconds"] + row["score_seconds"] if column is SECONDS else row[column.name]
    return float("nan") if pd.isna(found) else float(found)


def figure(row: Any, column: Column, interval: bool = False) -> str:
    """A figure of a row: percent with one decimal, a count without; "" for none. With ``interval``: "97.1 [96.0, 98.2]"
    for one seed, "97.1 ± 0.4" for several, "97.1" where there is none.
    """
    found = value(row, column)
    if pd.isna(found):
        return NOT_RECORDED if column is SECONDS and row["method"] != RANDOM else ""
    if column is SECONDS:
        return f"{found:.2f}"
    if column is GAIN:
        return "< -100" if found < -1 else f"{100 * found:.1f}"
    scale, digits = (1, 0) if column.count else (100, 1)
    text = f"{scale * found:.{digits}f}"
    if not interval or row["method"] == RANDOM:
        return text
    if pd.notna(std := row[f"{column.name}_std"]):
        return f"{text} ± {scale * std:.{digits}f}"
    low, high = (scale * row[f"{column.name}_{end}"] for end in ("low", "high"))
    if pd.isna(low):
        return text
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def title_of(row: Any) -> str:
    """A row's name."""
    return NAIVE_TITLE if row["method"] == NAIVE else str(row["method"])


def failed(row: Any, columns: Sequence[Column]) -> bool:
    """Whether a row has none of these metrics."""
    return all(pd.isna(row[column.name]) for column in columns if column is not SECONDS)


def reason(row: Any, view: View | None = None) -> str:
    """Why a row lacks the metrics of a view; of any if not given."""
    columns = (
        [failure_column(view.block)] if view is not None else [n for n in row.index if n.endswith("failure")]
    )
    reasons = [row[name] for name in columns if isinstance(row[name], str)]
    return "; ".join(dict.fromkeys(reasons)) or NOT_RECORDED


def note(level: Level, columns: Sequence[Column], table: pd.DataFrame) -> str:
    """What the columns of a level mean."""
    about = " ".join(f"{column.title}: {column.about}." for column in columns if column is not GAIN)
    gained = [GAIN_NOTE] if has_naive(table) else []
    return " ".join([f"Rows are {level.rows}.", about, level.note, *gained])
