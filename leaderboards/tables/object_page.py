"""Object-level results as the page's template needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leaderboards.object_schema import ObjectResult
from leaderboards.store import slug
from leaderboards.tables.objects import NOTE, TITLES, best, figure, object_groups, object_rows, reason


def object_parts(results: Sequence[ObjectResult], figures: Sequence[str] = ()) -> dict[str, Any]:
    """{"parts": [...], "columns": [...], "note": text}.

    Args:
        figures: file names of pictures of boxes, ``boxes-<OoD set>.png``; each stands below its set's last table.
    """
    parts = []
    for title, part in object_groups(object_rows(results)):
        top = {metric: best(part, metric) for metric in TITLES}
        ood = part["ood"].iloc[0]
        parts.append(
            {
                "title": title,
                "ood": ood,
                "lines": [_line(row, top) for _, row in part.iterrows()],
                "reasons": sorted({text for text in part["open_set_failure"] if isinstance(text, str)}),
                "figures": [name for name in figures if name == picture_name(ood)],
            }
        )
    columns = [(key, *about) for key, about in TITLES.items()]
    return {"parts": parts, "columns": columns, "note": NOTE}


def picture_name(ood: str) -> str:
    """File name of an OoD set's picture of boxes."""
    return f"boxes-{slug(ood)}.png"


def _line(row: Any, top: dict[str, float | None]) -> dict[str, Any]:
    cells = [
        ("" if pd.isna(row[m]) else row[m], figure(row, m), figure(row, m, interval=True), row[m] == top[m])
        for m in TITLES
    ]
    failed = None if any(text for _, text, *_ in cells) else str(reason(row))
    return {"name": row["method"], "cells": cells, "failed": failed}
