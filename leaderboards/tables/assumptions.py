"""What the intervals of a table assume, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leaderboards.schema import OodCell

INDEPENDENT, BLOCKS, OOD_INDEPENDENT, TOO_FEW = "independent", "blocks", "blocks, OoD independent", "too few"
COLUMNS = ("intervals", "block_length", "blocks")


def interval_columns(cells: Sequence[OodCell]) -> dict[str, Any]:
    """Columns of a row from the cells of all seeds: what intervals assume, and the longest and fewest blocks where
    images are frames of sequences; empty where there are no metrics.
    """
    whole = [cell for cell in cells if cell.failure is None]
    known = [cell.intervals for cell in whole if cell.intervals is not None and any(cell.intervals.sequences)]
    if not known:
        return dict.fromkeys(COLUMNS) | {"intervals": INDEPENDENT if whole else None}
    kind = BLOCKS if all(known[0].sequences) else OOD_INDEPENDENT
    return {
        "intervals": TOO_FEW if any(one.failure for one in known) else kind,
        "block_length": max(one.block_length for one in known),
        "blocks": min(one.blocks for one in known),
    }


def assumptions(rows: pd.DataFrame) -> list[str]:
    """Sentences about rows with the columns of :func:`interval_columns`."""
    found = []
    for kind, text in (
        (INDEPENDENT, "Intervals assume independent images"),
        (BLOCKS, "Intervals resample circular blocks of frames within sequences"),
        (
            OOD_INDEPENDENT,
            "Intervals resample circular blocks of in-distribution frames within sequences and assume independent OoD "
            "images",
        ),
        (TOO_FEW, "No intervals, because there are too few independent frames, fewer than ten blocks"),
    ):
        part = rows[rows["intervals"] == kind]
        if part.empty:
            continue
        if kind == INDEPENDENT:
            own = part["method"] if len(part) < rows["intervals"].notna().sum() else []
        else:
            lines = zip(part["method"], part["block_length"], part["blocks"], strict=True)
            own = [f"{method} {int(length)} and {blocks:.1f}" for method, length, blocks in lines]
            text += " (frames of a block, and blocks)"
        found.append(f"{text}: {', '.join(own)}." if len(own) else f"{text}.")
    return found
