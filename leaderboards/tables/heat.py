"""Tables by kind and severity as the page shows them: coloured cells, dark where anomalies are missed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from leaderboards.analysis.gain import NAIVE
from leaderboards.analysis.strata import ANY, MEAN, by_kind, by_severity, grids
from leaderboards.figures.heatmap import colour
from leaderboards.tables.levels import Level
from leaderboards.tables.text import figure, title_of

OTHER = {"kind": "severity", "severity": "kind"}


def heat_parts(title: str, part: pd.DataFrame, level: Level) -> dict[str, Any]:
    """What the template needs of one comparison, see `leaderboards.analysis.strata.comparisons`: tables of methods over
    kinds and over severities, and of kinds over severities for every method.
    """
    metric = level.leading.name
    return {
        "title": title,
        "kinds": _table(by_kind(part, metric), part, "kind", level),
        "severities": _table(by_severity(part, metric), part, "severity", level),
        "grids": [
            {"title": name, **_table(one, part, "", level)} for name, one in grids(part, metric).items()
        ],
    }


def scale(level: Level) -> list[tuple[int, str, str]]:
    """(value in percent, background, ink) of the key of the colours."""
    low, high = level.scale
    steps = np.linspace(low, high, round(10 * (high - low)) + 1)
    return [(round(100 * value), *colour(value, low, high)) for value in steps]


def _table(heat: pd.DataFrame, part: pd.DataFrame, over: str, level: Level) -> dict[str, Any]:
    """Column heads and rows of coloured cells with their intervals; no intervals where ``over`` is empty."""
    chosen = part[part[OTHER[over]] == ANY] if over else part.iloc[:0]
    counts = chosen.groupby(over)["n"].first() if over else {}
    heads = [{"name": name, "n": counts.get(name), "mean": name == MEAN} for name in heat.columns]
    rows = {(row["method"], row[over]): row for _, row in chosen.iterrows()}
    lines = []
    for name, values in heat.iterrows():
        tips = [rows.get((name, column)) for column in heat.columns]
        cells = [_cell(value, tip, level) for value, tip in zip(values, tips, strict=True)]
        lines.append({"name": title_of({"method": name}), "cells": cells, "reference": name == NAIVE})
    return {"heads": heads, "lines": lines}


def _cell(value: float, row: pd.Series | None, level: Level) -> dict[str, Any]:
    if pd.isna(value):
        return {"text": "", "back": None, "ink": None, "title": "too few images"}
    back, ink = colour(value, *level.scale)
    title = "" if row is None else figure(row, level.leading, interval=True)
    return {"text": f"{100 * value:.0f}", "back": back, "ink": ink, "title": title}
