"""The leaderboard as one self-contained HTML page: readable without JavaScript, no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
import pandas as pd

from leaderboards.analysis.naive import NAIVE, NAIVE_TITLE, gain_text, has_naive, methods_of
from leaderboards.analysis.significance import PAIRED_NOTE, TIED, tied_with_best, untested
from leaderboards.figures.heatmap import colour
from leaderboards.object_schema import ObjectResult
from leaderboards.pixel_schema import PixelResult
from leaderboards.schema import Result
from leaderboards.store import slug
from leaderboards.tables.images import BANNER, conventions, groups, is_miniature, number, rows, spread
from leaderboards.tables.object_page import object_parts
from leaderboards.tables.page_parts import heat_parts, pixel_parts

COLUMNS = (
    ("fpr95", "FPR95", "lower"),
    ("aupr_out", "AUPR-out", "higher"),
    ("aupr_in", "AUPR-in", "higher"),
    ("fpr95_in", "FPR95-in", "lower"),
    ("fpr80_in", "FPR80-in", "lower"),
    ("detection_error", "Det. error", "lower"),
    ("accuracy", "Accuracy", "higher"),
    ("mcc", "MCC", "higher"),
    ("f1", "F1", "higher"),
)


def page(
    results: Sequence[Result],
    figures: Sequence[str] = (),
    pixels: Sequence[PixelResult] = (),
    pairs: pd.DataFrame | None = None,
    ranks: Sequence[tuple[str, str]] = (),
    objects: Sequence[ObjectResult] = (),
) -> str:
    """HTML of the leaderboard; the same results give the same bytes.

    Args:
        figures: file names of pictures beside the page; those named after an OoD set stand under its table, those of
            boxes (``boxes-<OoD set>.png``) under its object-level table.
        pixels: pixel-level results.
        pairs: comparisons of methods, see `leaderboards.analysis.significance`.
        ranks: file names of critical-difference diagrams and what they say.
        objects: object-level results.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("leaderboards"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "gain_text": gain_text}
    table = rows(results)
    plain = [name for name in figures if not name.startswith("boxes-")]
    sections = [_section(title, part, plain, pairs) for title, part in groups(table)]
    return environment.get_template("leaderboard.html.j2").render(
        sections=sections,
        columns=COLUMNS,
        heat=heat_parts(results),
        scale=[(value, *colour(value / 100)) for value in range(40, 101, 10)],
        pixels=pixel_parts(pixels),
        objects=object_parts(objects, figures),
        ranks=ranks,
        paired_note=PAIRED_NOTE if pairs is not None and len(pairs) else None,
        banner=BANNER if is_miniature(results) else None,
        conventions=conventions(table),
        runs=sorted(results, key=lambda r: (r.method, r.seed)),
        first=results[0],
        commands=sorted({r.command for r in results}),
    )


def _section(
    title: str, part: pd.DataFrame, figures: Sequence[str], pairs: pd.DataFrame | None
) -> dict[str, Any]:
    lines = []
    compared = pairs is not None and len(pairs) > 0
    tied = tied_with_best(pairs, part) if compared else set()
    best = methods_of(part)["auroc"].max()
    for _, row in part.iterrows():
        failed = pd.isna(row["auroc"])
        half = 0.0 if pd.isna(row["auroc_std"]) else row["auroc_std"]
        low = row["auroc"] - half if pd.isna(row["auroc_low"]) else row["auroc_low"]
        high = row["auroc"] + half if pd.isna(row["auroc_high"]) else row["auroc_high"]
        lines.append(
            {
                "row": row,
                "failed": failed,
                "auroc": spread(row, "auroc"),
                "bar": None
                if failed
                else [round(100 * min(max(v, 0), 1), 2) for v in (low, row["auroc"], high)],
                "best": not failed and row["auroc"] == best and row["method"] != NAIVE,
                "tied": TIED if row["method"] in tied else "",
                "title": NAIVE_TITLE if row["method"] == NAIVE else row["method"],
                "naive": row["method"] == NAIVE,
            }
        )
    ood = part["ood"].iloc[0]
    naive = part["naive"].mean()
    return {
        "title": title,
        "gain": has_naive(part),
        "naive": None if pd.isna(naive) else round(100 * naive, 2),
        "lines": lines,
        "untested": untested(pairs, part) if compared else [],
        "figures": [name for name in figures if name.split(".")[0].endswith(slug(ood))],
    }
