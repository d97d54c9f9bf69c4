"""Which scores are drawn: one ROC figure and one of histograms per OoD set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboards.boards import boards
from leaderboards.figures.histograms import histogram_figure
from leaderboards.figures.roc import roc_figure
from leaderboards.file_names import distinct
from leaderboards.schema import IMAGE, Result
from leaderboards.store import ScoreReader, load_scores
from leaderboards.tables.aggregate import is_miniature

Place = tuple[str, str, str]
"""Run, OoD set and its fingerprint."""


def score_figures(
    runs: Mapping[Path, Result], out: Path, read: ScoreReader = load_scores
) -> dict[Place, list[Path]]:
    """roc-<ood>.png and scores-<ood>.png of every run and OoD set with stored image-level scores, from the lowest seed
    of every method: {place: files}.

    Args:
        runs: results by their files, beside which the scores lie. read: of these scores.
    """
    found = boards(runs.values())
    file = {id(run): path for path, run in runs.items()}
    scores: dict[Place, dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    titles: dict[Place, str] = {}
    for board in found:
        images = [run for run in board.results if run.level == IMAGE]
        mini = "MINIATURE  " if is_miniature(images[:1]) else ""
        for run in sorted(images, key=lambda run: run.seed):
            label = run.method if run.protocol == "no-ood" else f"{run.method} ({run.protocol})"
            for cell in run.ood:
                place = (board.id, cell.name, cell.fingerprint)
                frame = None if cell.failure is not None else read(file[id(run)])
                if frame is not None and label not in scores.get(place, {}):
                    parts = (_of(frame, "ind-test"), _of(frame, cell.name))
                    if all(map(len, parts)):
                        scores.setdefault(place, {})[label] = parts
                        titles[place] = f"{mini}{run.ind.name} vs {cell.name}"
    names = picture_names(scores)
    pictures = {}
    for place, curves in scores.items():
        run_name = f" · run {place[0]}" if len(found) > 1 else ""
        pictures[place] = [out / f"roc-{names[place]}.png", out / f"scores-{names[place]}.png"]
        roc_figure(curves, titles[place] + run_name, pictures[place][0])
        histogram_figure(curves, titles[place] + run_name, pictures[place][1])
    return pictures


def picture_names(places: Iterable[Place]) -> dict[Place, str]:
    """{place: part of a file name}, of the OoD set's name; with fingerprint and run where these are several."""
    places = list(places)
    told = {place: place[1] for place in places}
    for place in places:
        alike = [other for other in places if other[:2] == place[:2]]
        if len({other[2] for other in alike}) > 1:
            told[place] += f"-{place[2][:8]}"
        if len({other[0] for other in places}) > 1:
            told[place] += f"-{place[0]}"
    short = distinct(told.values())
    return {place: short[text] for place, text in told.items()}


def _of(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return frame.loc[frame["set"] == name, "score"].to_numpy(float)
