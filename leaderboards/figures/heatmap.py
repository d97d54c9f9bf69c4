"""Heat-maps of AUROC: detectors x kinds, and kinds x severities of every detector. Dark means missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.analysis.gain import NAIVE
from leaderboards.analysis.strata import by_kind, comparisons, grids, strata_rows
from leaderboards.figures.style import save
from leaderboards.file_names import distinct
from leaderboards.schema import IMAGE, Result
from leaderboards.tables.aggregate import is_miniature
from leaderboards.tables.levels import IMAGES

LOW, HIGH = IMAGES.scale
COLOURS = "cividis"
BLANK = "#ececec"
PANELS = 16
"""Of kinds x severities in a figure."""


def colour(value: float, low: float = LOW, high: float = HIGH) -> tuple[str, str]:
    """Background and ink of a cell, as hexadecimal colours; the scale runs from low (dark) to high (bright)."""
    share = (value - low) / (high - low)
    r, g, b, _ = matplotlib.colormaps[COLOURS](min(max(share, 0.0), 1.0))
    luminance = 0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2
    ink = "#ffffff" if luminance < 0.18 else "#111111"
    return matplotlib.colors.to_hex((r, g, b)), ink


def strata_figures(results: Sequence[Result], out: Path) -> list[Path]:
    """missed-<ood>.png by kind, and severities-<ood>.png by kind and severity, of image-level results."""
    found = []
    mini = "MINIATURE  " if is_miniature([run for run in results if run.level == IMAGE]) else ""
    groups = comparisons(strata_rows(results, IMAGE))
    several = len(groups) > len({ood for _, ood, _ in groups})
    runs = {part["run_id"].iloc[0] for _, _, part in groups}
    full = [_full_name(ood, part, len(runs) > 1) if several else ood for _, ood, part in groups]
    short = distinct(full)
    for (title, _, part), text in zip(groups, full, strict=True):
        name = short[text]
        found.append(out / f"missed-{name}.png")
        kinds_figure(by_kind(part), f"{mini}What is missed?\n{title.replace(' · ', chr(10), 1)}", found[-1])
        if shown := grids(part):
            found.append(out / f"severities-{name}.png")
            severities_figure(shown, f"{mini}{title}", found[-1])
    return found


def _full_name(ood: str, part: pd.DataFrame, runs: bool) -> str:
    """OoD set, network and protocol of a comparison; its images and its run where there are several runs."""
    first = part.iloc[0]
    more = f"-{first['ood_fingerprint'][:8]}-{first['run_id']}" if runs else ""
    return f"{ood}-{first['network']}-{first['protocol']}{more}"


def kinds_figure(heat: pd.DataFrame, title: str, path: Path) -> None:
    """Detectors x kinds, see `leaderboards.analysis.strata.by_kind`."""
    lines, columns = heat.shape
    figure = Figure(
        figsize=(max(4.5, 1.9 + 0.52 * columns), 1.9 + 0.36 * lines), dpi=120, layout="constrained"
    )
    axes = figure.add_subplot()
    _cells(axes, heat, 8)
    axes.set_xticks(range(columns), list(heat.columns), rotation=50, ha="left", fontsize=8)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    axes.axvline(columns - 1.5, color="white", linewidth=4)
    if NAIVE in heat.index and lines > 1:
        axes.axhline(lines - 1.5, color="white", linewidth=4)
    axes.set_xlabel("AUROC x 100: 50 is chance, the anomaly is missed", fontsize=8)
    save(figure, path)


def severities_figure(grids: Mapping[str, pd.DataFrame], title: str, path: Path) -> None:
    """Kinds x severities, a panel per detector, best first; grey cells have too few images. Of more than ``PANELS``
    detectors the first, and the image-statistics baseline, have one.
    """
    many = len(grids)
    if many > PANELS:
        last = {name: grids[name] for name in grids if name == NAIVE}
        others = [name for name in grids if name != NAIVE]
        grids = {name: grids[name] for name in others[: PANELS - len(last)]} | last
        title = f"{title}\nthe first {PANELS} of {many} rows, all in kinds.csv"
    across = min(4, len(grids))
    down = -(-len(grids) // across)
    kinds = max(len(table) for table in grids.values())
    figure = Figure(
        figsize=(1.4 + 2.1 * across, 0.7 + down * (0.8 + 0.2 * kinds)), dpi=120, layout="constrained"
    )
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes in panels.flat[len(grids) :]:
        axes.set_visible(False)
    for axes, (name, table) in zip(panels.flat, grids.items(), strict=False):
        _cells(axes, table, 6)
        axes.set_xticks(range(table.shape[1]), list(table.columns), fontsize=7)
        axes.set_title(name, fontsize=9)
    figure.supxlabel("severity", fontsize=8)
    figure.suptitle(f"{title} · AUROC x 100", fontsize=10)
    save(figure, path)


def _cells(axes: Axes, table: pd.DataFrame, size: int) -> None:
    values = table.to_numpy(float)
    axes.set_facecolor(BLANK)
    axes.imshow(np.ma.masked_invalid(values), cmap=COLOURS, vmin=LOW, vmax=HIGH, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = colour(value)[1]
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink, fontsize=size)
    axes.set_yticks(range(len(table)), list(table.index), fontsize=size)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(values) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
