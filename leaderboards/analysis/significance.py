"""Which methods differ on the same images: the paired DeLong test between all methods of a table, Holm-corrected."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leaderboards.analysis.gain import NAIVE
from leaderboards.boards import boards
from leaderboards.schema import IMAGE, OodCell, Result
from leaderboards.store import ScoreReader, load_scores
from leaderboards.tables.aggregate import SETTING, setting_of
from lsood.metrics.comparison import compare, delong_covariance, holm
from lsood.metrics.points import auroc

LEVEL = 0.05
TIED = "†"
AGREE = 1e-6
PAIRED_NOTE = (
    f"{TIED}: not significantly different from the best AUROC of its table (paired DeLong test on the same images, "
    f"Holm's correction over all pairs of methods of the table, level {LEVEL:.0%}; where images were made from the "
    "same source, its version for clustered data, Obuchowski 1997). With several seeds the difference must have one "
    "sign and the largest p-value counts. The image-statistics baseline is neither ranked nor tested."
)
KEYS = [*SETTING]
COLUMNS = [
    *KEYS,
    "method_a",
    "method_b",
    "auroc_a",
    "auroc_b",
    "difference",
    "seeds",
    "clustered",
    "p",
    "p_holm",
]
Key = tuple[str, ...]
Scores = tuple["pd.Series[float]", "pd.Series[float]", dict[str, str] | None]


def significance(runs: Mapping[Path, Result], read: ScoreReader = load_scores) -> pd.DataFrame:
    """One row per pair of methods of an image-level table, the better one first; columns as in ``COLUMNS``.

    Tested are methods whose scores lie beside their results and give the AUROC recorded there, on the seeds that both
    have. ``clustered``: images share sources. Results of other levels are skipped: their rows are not independent.
    """
    tables: dict[Key, dict[str, dict[int, Scores]]] = {}
    board = {id(run): board.id for board in boards(runs.values()) for run in board.results}
    for path, run in runs.items():
        frame = read(path) if run.level == IMAGE and run.method != NAIVE else None
        for cell in run.ood if frame is not None else []:
            assert frame is not None
            if (scores := _scores(run, cell, frame)) is not None:
                key = tuple(setting_of(run, cell, board[id(run)]).values())
                tables.setdefault(key, {}).setdefault(run.method, {})[run.seed] = scores
    parts = [_pairs(key, methods) for key, methods in sorted(tables.items())]
    return pd.DataFrame([row for part in parts for row in part], columns=COLUMNS)


def _scores(run: Result, cell: OodCell, frame: pd.DataFrame) -> Scores | None:
    """In-distribution and OoD scores by image key, and the OoD images' sources; None where they are not
    those of the cell.
    """
    if cell.failure is not None or "auroc" not in cell.metrics:
        return None
    scores_in, scores_out = (frame[frame["set"] == name].set_index("key") for name in ("ind-test", cell.name))
    if not (scores_in.index.is_unique and scores_out.index.is_unique):
        return None
    if (len(scores_in), len(scores_out)) != (cell.n_in, cell.n_out) or min(cell.n_in, cell.n_out) < 2:
        return None
    if abs(auroc(scores_in["score"], scores_out["score"]) - cell.metrics["auroc"].value) > AGREE:
        return None
    sources = None
    if "source" in scores_out and scores_out["source"].notna().all():
        on_test_images = cell.name == f"{run.ind.name}-anomalies" or cell.name.startswith("generated:")
        prefix = "" if on_test_images else "other set/"
        sources = {str(key): f"{prefix}{source}" for key, source in scores_out["source"].items()}
    return scores_in["score"], scores_out["score"], sources


def _pairs(key: Key, methods: Mapping[str, Mapping[int, Scores]]) -> list[dict[str, Any]]:
    seeds = sorted({seed for found in methods.values() for seed in found})
    tested: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    clustered = False
    for seed in seeds:
        groups: dict[Any, list[str]] = {}
        for name in sorted(m for m in methods if seed in methods[m]):
            scores_in, scores_out, _ = methods[name][seed]
            groups.setdefault((frozenset(scores_in.index), frozenset(scores_out.index)), []).append(name)
        for names in groups.values():  # methods that scored the same images
            first_in, first_out, sources = methods[names[0]][seed]
            x = np.stack([methods[name][seed][0][first_in.index] for name in names])
            y = np.stack([methods[name][seed][1][first_out.index] for name in names])
            images = None
            if sources is not None:
                images = (list(map(str, first_in.index)), [sources[str(k)] for k in first_out.index])
                clustered |= len({*images[0], *images[1]}) < len(images[0]) + len(images[1])
            aurocs, covariance = delong_covariance(x, y, images)
            for a, b in itertools.combinations(range(len(names)), 2):
                p = compare(aurocs, covariance, a, b).p
                tested.setdefault((names[a], names[b]), []).append((aurocs[a], aurocs[b], p))
    rows = [_row(key, pair, found, clustered) for pair, found in tested.items()]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = float(adjusted)
    return sorted(rows, key=lambda row: (-row["auroc_a"], -row["auroc_b"], row["method_a"], row["method_b"]))


def _row(
    key: Key, pair: tuple[str, str], found: list[tuple[float, float, float]], clustered: bool
) -> dict[str, Any]:
    aurocs = np.array([values[:2] for values in found])
    differences = aurocs[:, 0] - aurocs[:, 1]
    agree = bool((differences > 0).all() or (differences < 0).all())
    a, b = aurocs.mean(0)
    names, means = (pair, (a, b)) if a >= b else (pair[::-1], (b, a))
    return dict(zip(KEYS, key, strict=True)) | {
        "method_a": names[0],
        "method_b": names[1],
        "auroc_a": float(means[0]),
        "auroc_b": float(means[1]),
        "difference": float(means[0] - means[1]),
        "seeds": len(found),
        "clustered": clustered,
        "p": max(values[2] for values in found) if agree else 1.0,
    }


def tied_with_best(pairs: pd.DataFrame, part: pd.DataFrame) -> set[str]:
    """The methods of a table (rows of `leaderboards.tables.aggregate.rows`) that are not significantly different from
    its best one, which is not among them.
    """
    ranked = part[(part["method"] != NAIVE) & part["auroc"].notna()]
    if pairs.empty or ranked.empty:
        return set()
    best, first = ranked.loc[ranked["auroc"].idxmax(), "method"], part.iloc[0]
    of_table = np.logical_and.reduce([pairs[name] == first[name] for name in KEYS])
    alike = pairs[of_table & (pairs["p_holm"] >= LEVEL)]
    return {
        *alike.loc[alike["method_a"] == best, "method_b"],
        *alike.loc[alike["method_b"] == best, "method_a"],
    }


def untested(pairs: pd.DataFrame, part: pd.DataFrame) -> list[str]:
    """The methods of a table that have no test against its best one."""
    ranked: Sequence[str] = list(part.loc[(part["method"] != NAIVE) & part["auroc"].notna(), "method"])
    if len(ranked) < 2:
        return []
    best, first = ranked[0], part.iloc[0]
    of_table = pairs[np.logical_and.reduce([pairs[name] == first[name] for name in KEYS])]
    with_best: Iterable[Any] = of_table[
        (of_table["method_a"] == best) | (of_table["method_b"] == best)
    ].itertuples()
    known = {name for row in with_best for name in (row.method_a, row.method_b)}
    return [name for name in ranked if name not in known]
