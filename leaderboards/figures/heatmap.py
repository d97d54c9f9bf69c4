"""Heat-maps of AUROC: detectors x kinds, and kinds x severities of every detector. Dark means missed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.analysis.naive import NAIVE
from leaderboards.figures.curves import _save

LOW, HIGH = 0.4, 1.0
COLOURS = "cividis"
BLANK = "#ececec"


def colour(value: float) -> tuple[str, str]:
    """Background and ink of a cell, as hexadecimal colours; the scale runs from 40 (dark) to 100 (bright)."""
    share = (value - LOW) / (HIGH - LOW)
    r, g, b, _ = matplotlib.colormaps[COLOURS](min(max(share, 0.0), 1.0))
    luminance = 0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2
    ink = "#ffffff" if luminance < 0.18 else "#111111"
    return matplotlib.colors.to_hex((r, g, b)), ink


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
    _save(figure, path)


def severities_figure(grids: Mapping[str, pd.DataFrame], title: str, path: Path) -> None:
    """Kinds x severities, a panel per detector; grey cells have too few images."""
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
    _save(figure, path)


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
