"""The parts of the page that go deeper than one figure per detector: heat-maps and pixel-level tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leaderboards.analysis.naive import NAIVE
from leaderboards.analysis.strata import (
    ANY,
    MEAN,
    STRATA_NOTE,
    by_kind,
    by_severity,
    comparisons,
    grids,
    strata_rows,
)
from leaderboards.figures.heatmap import colour
from leaderboards.pixel_schema import PixelResult
from leaderboards.schema import Result
from leaderboards.tables.pixels import (
    IMAGES,
    PIXEL_NOTE,
    RANDOM,
    TITLES,
    kinds_of_pixels,
    pixel_rows,
    pooled,
    spread,
)

Cells = list[dict[str, Any]]


def heat_parts(results: Sequence[Result]) -> dict[str, Any]:
    """What the template's heat-maps need: {"parts": [...], "note": text}."""
    table = strata_rows(results)
    parts = []
    for title, _, part in comparisons(table):
        heat = by_kind(part)
        if heat.empty:
            continue
        parts.append(
            {
                "title": title,
                "kinds": _table(heat, part, "kind"),
                "severities": _table(by_severity(part), part, "severity"),
                "grids": [{"title": name, **_table(one, part, None)} for name, one in grids(part).items()],
            }
        )
    return {"parts": parts, "note": STRATA_NOTE}


def _table(heat: pd.DataFrame, part: pd.DataFrame, over: str | None) -> dict[str, Any]:
    """Column heads and rows of coloured cells; each cell tells its interval when pointed at."""
    heads = [{"name": name, "n": _count(part, over, name), "mean": name == MEAN} for name in heat.columns]
    lines = []
    for name, values in heat.iterrows():
        cells = [_coloured(value, _interval(part, over, name, column)) for column, value in values.items()]
        lines.append({"name": name, "cells": cells, "naive": name == NAIVE})
    return {"heads": heads, "lines": lines}


def _coloured(value: float, title: str) -> dict[str, Any]:
    if pd.isna(value):
        return {"text": "", "back": None, "ink": None, "title": "too few images"}
    back, ink = colour(value)
    return {"text": f"{100 * value:.0f}", "back": back, "ink": ink, "title": title}


def _count(part: pd.DataFrame, over: str | None, name: Any) -> int | None:
    if over is None:
        return None
    other = "severity" if over == "kind" else "kind"
    chosen = part[(part[over] == name) & (part[other] == ANY)]["n"]
    return int(chosen.iloc[0]) if len(chosen) else None


def _interval(part: pd.DataFrame, over: str | None, method: Any, column: Any) -> str:
    if over is None:
        return ""
    other = "severity" if over == "kind" else "kind"
    rows = part[(part["method"] == method) & (part[over] == column) & (part[other] == ANY)]
    return spread(rows.iloc[0], "auroc") if len(rows) else ""


def pixel_parts(results: Sequence[PixelResult]) -> dict[str, Any]:
    """What the template's pixel-level tables need: {"parts": [...], "columns": [...], "note": text}."""
    table = pixel_rows(results)
    parts = []
    for title, ood, rows in pooled(table):
        means = table[(table["ood"] == ood) & (table["part"] == IMAGES)]
        best = rows.loc[rows["score"] != RANDOM, "ap"].max()
        heat = kinds_of_pixels(table, ood)
        parts.append(
            {
                "title": title,
                "lines": [_line(row, best) for _, row in rows.iterrows()],
                "means": [_line(row, None) for _, row in means.iterrows()],
                "n_means": int(means["n"].iloc[0]) if len(means) else 0,
                "kinds": [
                    {"name": name, "cells": ["" if pd.isna(v) else f"{100 * v:.1f}" for v in values]}
                    for name, values in heat.iterrows()
                ],
                "heads": list(heat.columns),
            }
        )
    columns = [(key, name, better) for key, (name, better) in TITLES.items()]
    return {"parts": parts, "columns": columns, "note": PIXEL_NOTE}


def _line(row: Any, best: float | None) -> dict[str, Any]:
    return {
        "name": row["score"],
        "cells": [(row[metric], spread(row, metric)) for metric in TITLES],
        "best": best is not None and row["score"] != RANDOM and row["ap"] == best,
        "random": row["score"] == RANDOM,
    }
