"""Score histograms of methods on one OoD set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaderboards.figures.roc import Scores
from leaderboards.figures.style import IN, OUT, save


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
