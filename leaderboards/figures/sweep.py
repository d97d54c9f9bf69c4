"""The figure of `benchmarks.sweeps.pca_density`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.figures.style import PALETTE, save

LINES = {
    "lared": ("LaRED, exact density", PALETTE[0], "o-"),
    "sklearn": ("LaRED, scikit-learn KernelDensity", PALETTE[1], "s-"),
    "sklearn_brute": ("the same, its tree one leaf", PALETTE[6], "x"),
    "larem": ("LaREM", PALETTE[2], "^:"),
}
ORDER = {"larem": 2, "sklearn": 3, "lared": 4, "sklearn_brute": 5}
NAT = 1.0


def sweep_figure(table: pd.DataFrame, title: str, path: Path) -> None:
    """A panel of AUROC over the number of components for every OoD set, and one of the density's error."""
    sets = list(dict.fromkeys(table["ood"]))
    figure = Figure(figsize=(4.1 * (len(sets) + 1), 4.4), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(sets) + 1, squeeze=False)[0]
    for axes, ood in zip(panels, sets, strict=False):
        part = table[table["ood"] == ood]
        for column, (label, colour, style) in LINES.items():
            axes.plot(
                part["components"],
                100 * part[column],
                style,
                color=colour,
                label=label,
                markersize=5,
                zorder=ORDER[column],
            )
        for n in part.loc[part["picked"], "components"]:
            axes.axvline(n, color="grey", linestyle="--", linewidth=1, label="picked without OoD images")
        axes.set(title=f"vs {ood}", ylabel="AUROC x 100")
        _components(axes, part)
    panels[0].legend(fontsize=7, loc="best")
    errors = table.groupby("components")
    worst, mean = errors["sklearn_worst"].max(), errors["sklearn_mean"].mean()
    axes = panels[-1]
    axes.plot(worst.index, worst, "s-", color=PALETTE[1], label="scikit-learn, worst image", markersize=5)
    axes.plot(mean.index, mean, "s--", color=PALETTE[4], label="scikit-learn, mean", markersize=5)
    brute = errors["sklearn_brute_worst"].max()
    axes.plot(
        brute.index, brute, "x-", color=PALETTE[6], label="its tree one leaf, worst image", markersize=5
    )
    axes.axhline(NAT, color="grey", linewidth=1, linestyle=":")
    axes.set_yscale("log")
    axes.set(title="error of the log density", ylabel="nats")
    _components(axes, table)
    axes.legend(fontsize=7)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def _components(axes: Axes, table: pd.DataFrame) -> None:
    sizes = sorted(set(table["components"]))
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(n) for n in sizes], fontsize=7, rotation=60)
    axes.minorticks_off()
    axes.set_xlabel("principal components")
    axes.grid(alpha=0.25)
