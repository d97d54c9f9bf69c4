"""ROC curves of methods on one OoD set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leaderboards.analysis.gain import NAIVE
from leaderboards.figures.style import PALETTE, save

Scores = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""{method: in-distribution and OoD scores}."""


def roc_figure(scores: Scores, title: str, path: Path) -> None:
    """ROC curves of the ten best methods (up to ten methods have the same colours for every OoD set), that of the
    image-statistics baseline as a grey area. ``scores`` maps a method to in-distribution and OoD scores.
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
    save(figure, path)


def _curve(
    scores_in: NDArray[np.float64], scores_out: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """False-positive rates, true-positive rates (OoD positive) and the area."""
    levels = np.unique(np.concatenate([scores_in, scores_out]))[::-1]
    fpr = 1 - np.searchsorted(np.sort(scores_in), levels, side="left") / len(scores_in)
    tpr = 1 - np.searchsorted(np.sort(scores_out), levels, side="left") / len(scores_out)
    fpr, tpr = np.r_[0, fpr], np.r_[0, tpr]
    return fpr, tpr, float(np.trapezoid(tpr, fpr))
