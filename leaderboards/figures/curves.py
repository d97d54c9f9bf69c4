"""ROC curves and score histograms, one picture per OoD set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from leaderboards.analysis.gain import NAIVE
from leaderboards.figures.style import IN, OUT, PALETTE, save
from leaderboards.schema import IMAGE, Result
from leaderboards.store import load_scores
from leaderboards.tables.aggregate import is_miniature
from lsood.io import slug

Scores = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def _curve(
    scores_in: NDArray[np.float64], scores_out: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """False-positive rates, true-positive rates (OoD positive) and the area."""
    levels = np.unique(np.concatenate([scores_in, scores_out]))[::-1]
    fpr = 1 - np.searchsorted(np.sort(scores_in), levels, side="left") / len(scores_in)
    tpr = 1 - np.searchsorted(np.sort(scores_out), levels, side="left") / len(scores_out)
    fpr, tpr = np.r_[0, fpr], np.r_[0, tpr]
    return fpr, tpr, float(np.trapezoid(tpr, fpr))


def score_figures(runs: Mapping[Path, Result], out: Path) -> dict[str, list[Path]]:
    """roc-<ood>.png and scores-<ood>.png of every OoD set with stored image-level scores, from the lowest seed of every
    method: {OoD set: files}.

    Args:
        runs: results by their files, beside which the scores lie.
    """
    first: dict[tuple[str, str], tuple[Path, Result]] = {}
    for path, run in sorted(runs.items(), key=lambda item: item[1].seed):
        if run.level == IMAGE:
            first.setdefault((run.method, run.protocol), (path, run))
    images = [run for run in runs.values() if run.level == IMAGE]
    frames = {case: load_scores(path) for case, (path, _) in first.items()}
    pictures = {}
    for ood in dict.fromkeys(cell.name for run in images for cell in run.ood):
        scores = {}
        for (name, protocol), frame in frames.items():
            cell = next((c for c in first[name, protocol][1].ood if c.name == ood), None)
            if frame is not None and cell is not None and cell.failure is None:
                label = name if protocol == "no-ood" else f"{name} ({protocol})"
                scores[label] = (_of(frame, "ind-test"), _of(frame, ood))
        if scores:
            title = f"{'MINIATURE  ' if is_miniature(images[:1]) else ''}{images[0].ind.name} vs {ood}"
            pictures[ood] = [out / f"roc-{slug(ood)}.png", out / f"scores-{slug(ood)}.png"]
            roc_figure(scores, title, pictures[ood][0])
            histogram_figure(scores, title, pictures[ood][1])
    return pictures


def _of(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return frame.loc[frame["set"] == name, "score"].to_numpy(float)


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
    save(figure, path)
