"""Which scores are drawn: one ROC figure and one of histograms per OoD set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboards.figures.histograms import histogram_figure
from leaderboards.figures.roc import roc_figure
from leaderboards.schema import IMAGE, Result
from leaderboards.store import load_scores
from leaderboards.tables.aggregate import is_miniature
from lsood.io import slug


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
