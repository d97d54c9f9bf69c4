"""Tables of pixel-level results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from leaderboards.pixel_schema import PixelCell, PixelResult
from leaderboards.schema import MetricValue
from leaderboards.tables.images import over_seeds

TITLES = {
    "ap": ("AP", "higher"),
    "auroc": ("AUROC", "higher"),
    "fpr95": ("FPR95", "lower"),
    "f1": ("F1*", "higher"),
    "siou": ("sIoU", "higher"),
    "ppv": ("PPV", "higher"),
    "f1_components": ("F1 comp.", "higher"),
}
ANY = "all"
IMAGES = "mean over images"
RANDOM = "random"
GROUP = ("ind", "network", "ood", "part", "kind", "severity")
PIXEL_NOTE = (
    "Pixel level: all pixels of all images with a mask pooled, at the network's input size, ignored ones left out; "
    "exact for float16 scores. AP depends on the share of anomalous pixels, which is what a random score reaches. "
    "F1*: at the best threshold of the test set itself; sIoU, PPV and F1 comp. (mean over eleven overlap thresholds) "
    "over components at that threshold, as SegmentMeIfYouCan. Intervals by bootstrap over source images."
)


def pixel_rows(results: Sequence[PixelResult]) -> pd.DataFrame:
    """One row per in-distribution set, network, OoD set, part and score; the part is "pooled", "mean over images",
    or a stratum's kind or severity. A score "random" says what one that knows nothing reaches.

    Several seeds: means and <metric>_std; one: <metric>_low and _high.
    """
    found: dict[tuple[str, ...], list[tuple[int, dict[str, MetricValue]]]] = {}

    def add(run: PixelResult, cell: PixelCell, score: str, part: str, *rest: Any) -> None:
        kind, severity, n, metrics = rest
        group = (run.ind.name, run.network.name, cell.name, part, kind or ANY, str(severity or ANY))
        found.setdefault((*group, score), []).append((n, metrics))

    for run in results:
        for cell in run.ood:
            add(run, cell, run.score, "pooled", None, None, cell.n_images, cell.metrics)
            if cell.image_means:
                add(run, cell, run.score, IMAGES, None, None, cell.n_both, cell.image_means)
            for stratum in cell.strata:
                about = (stratum.kind, stratum.severity, stratum.n, stratum.metrics)
                add(run, cell, run.score, "stratum", *about)
    for run in {(r.ind.name, r.network.name): r for r in results}.values():
        for cell in run.ood:
            chance = {name: MetricValue(value, value, value) for name, value in cell.random.items()}
            if chance:
                add(run, cell, RANDOM, "pooled", None, None, cell.n_images, chance)
    lines = [
        dict(zip((*GROUP, "score", "n", "seeds"), (*key, members[0][0], len(members)), strict=True))
        | over_seeds([metrics for _, metrics in members], TITLES)
        for key, members in found.items()
    ]
    figures = [f"{metric}{end}" for metric in TITLES for end in ("", "_low", "_high", "_std")]
    return pd.DataFrame(lines, columns=[*GROUP, "score", "n", "seeds", *figures])


def write_csv(results: Sequence[PixelResult], path: Path) -> None:
    """Every row."""
    pixel_rows(results).to_csv(path, index=False, lineterminator="\n")


def pooled(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(title, OoD set, rows): scores over all pixels, best AP first, the random one last."""
    found = []
    chosen = table[(table["part"] == "pooled") & table["ap"].notna()]
    for (ind, network, ood), part in chosen.groupby(["ind", "network", "ood"], sort=False):
        ordered = part.assign(last=part["score"] == RANDOM).sort_values(
            ["last", "ap"], ascending=[True, False], kind="stable"
        )
        title = f"{ind} vs {ood} · {network} · {part['n'].iloc[0]} images with masks"
        found.append((title, ood, ordered))
    return found


def kinds_of_pixels(table: pd.DataFrame, ood: str) -> pd.DataFrame:
    """Scores x kinds: AP of the pixels of that kind's images."""
    chosen = table[(table["ood"] == ood) & (table["part"] == "stratum") & (table["kind"] != ANY)]
    heat = chosen.pivot_table(index="score", columns="kind", values="ap", aggfunc="mean")
    return heat[heat.mean().sort_values(kind="stable").index] if not heat.empty else heat


def spread(row: Any, metric: str) -> str:
    """Like `leaderboards.tables.images.spread`, with no interval where it is a point."""
    value = row[metric]
    if pd.isna(value):
        return ""
    if pd.notna(row[f"{metric}_std"]):
        return f"{100 * value:.1f} ± {100 * row[f'{metric}_std']:.1f}"
    low, high = 100 * row[f"{metric}_low"], 100 * row[f"{metric}_high"]
    return f"{100 * value:.1f}" if low == high else f"{100 * value:.1f} [{low:.1f}, {high:.1f}]"


def markdown_pixels(results: Sequence[PixelResult]) -> list[str]:
    """Lines of Markdown: a table per OoD set with masks."""
    lines: list[str] = []
    for title, _, part in pooled(pixel_rows(results)):
        heads = " | ".join(f"{name} {'↑' if better == 'higher' else '↓'}" for name, better in TITLES.values())
        lines += [f"## Pixels: {_cell(title)}", "", f"| score | {heads} |", "|---|" + "--:|" * len(TITLES)]
        best = part.loc[part["score"] != RANDOM, "ap"].max()
        for _, row in part.iterrows():
            figures = [spread(row, metric) for metric in TITLES]
            if row["score"] != RANDOM and row["ap"] == best:
                figures[0] = f"**{figures[0]}**"
            lines.append(f"| {_cell(row['score'])} | " + " | ".join(figures) + " |")
        lines.append("")
    return [*lines, PIXEL_NOTE, ""] if lines else []


def rich_pixels(results: Sequence[PixelResult]) -> list[Table]:
    """A table per OoD set with masks, for a terminal of 80 columns."""
    tables = []
    for title, _, part in pooled(pixel_rows(results)):
        table = Table(title=Text(f"pixels: {title}"), title_justify="left", title_style="bold")
        table.add_column("score", no_wrap=True, vertical="bottom")
        for name, _ in TITLES.values():
            table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True, vertical="bottom")
        for _, row in part.iterrows():
            first = spread(row, "ap")
            rest = ["" if pd.isna(row[m]) else f"{100 * row[m]:.1f}" for m in list(TITLES)[1:]]
            if row["score"] == RANDOM:
                table.add_section()
            table.add_row(Text(row["score"]), first, *rest)
        tables.append(table)
    return tables


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
