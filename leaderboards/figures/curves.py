"""ROC curves and score histograms, one picture per OoD set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from leaderboards.analysis.naive import NAIVE

Scores = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C6D31",
    "#7F7F7F",
    "#B10DC9",
)
IN, OUT = "#0072B2", "#D55E00"


def _curve(
    scores_in: NDArray[np.float64], scores_out: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """False-positive rates, true-positive rates (OoD positive) and the area."""
    levels = np.unique(np.concatenate([scores_in, scores_out]))[::-1]
    fpr = 1 - np.searchsorted(np.sort(scores_in), levels, side="left") / len(scores_in)
    tpr = 1 - np.searchsorted(np.sort(scores_out), levels, side="left") / len(scores_out)
    fpr, tpr = np.r_[0, fpr], np.r_[0, tpr]
    return fpr, tpr, float(np.trapezoid(tpr, fpr))


def roc_figure(scores: Scores, title: str, path: Path) -> None:
    """ROC curves of the ten best methods (up to ten methods have the same colours for every OoD set), the naive
    detector's as a grey area. ``scores`` maps a method to in-distribution and OoD scores.
    """
    figure = Figure(figsize=(6.4, 5.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    curves = {name: _curve(*pair) for name, pair in scores.items()}
    if NAIVE in curves:
        fpr, tpr, area = curves.pop(NAIVE)
        axes.fill_between(fpr, tpr, color="grey", alpha=0.15, linewidth=0, label=f"{NAIVE}  {100 * area:.1f}")
    shown = sorted(curves, key=lambda name: -curves[name][2])[: len(PALETTE)]
    place = {name: i for i, name in enumerate(sorted(shown))}
    for name in shown:
        fpr, tpr, area = curves[name]
        dashes = "-" if place[name] < len(PALETTE) // 2 else "--"
        label = f"{name}  {100 * area:.1f}"
        axes.plot(fpr, tpr, dashes, color=PALETTE[place[name]], linewidth=1.7, label=label)
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes.set(
        xlabel="share of in-distribution images flagged", ylabel="share of OoD images caught", title=title
    )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(alpha=0.25)
    some = f", best {len(shown)} of {len(curves)}" if len(shown) < len(curves) else ""
    axes.legend(title=f"method  AUROC{some}", loc="lower right", fontsize=8, title_fontsize=8)
    _save(figure, path)


def histogram_figure(scores: Scores, title: str, path: Path) -> None:
    """Score histograms, one panel per method; the outermost bars hold the lowest 0.5 % and the highest
    2.5 % of the scores."""
    columns = min(4, len(scores))
    lines = -(-len(scores) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * lines + 0.5), dpi=120, layout="constrained")
    for i, (name, (scores_in, scores_out)) in enumerate(scores.items()):
        axes = figure.add_subplot(lines, columns, i + 1)
        low, high = np.quantile(np.concatenate([scores_in, scores_out]), [0.005, 0.975])
        bins = np.linspace(low, high if high > low else low + 1, 31).tolist()
        for values, colour, label in ((scores_in, IN, "in-distribution"), (scores_out, OUT, "OoD")):
            axes.hist(
                np.clip(values, bins[0], bins[-1]),
                bins=bins,
                density=True,
                alpha=0.55,
                color=colour,
                label=label,
            )
        axes.set_title(name, fontsize=9)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.set_xlabel("anomaly score", fontsize=7)
        if i == 0:
            axes.legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    figure.savefig(part, format="png", metadata={"Software": None})
    part.replace(path)
