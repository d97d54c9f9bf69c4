"""Which methods differ on the same images: the paired DeLong test between all methods of a table, Holm-corrected."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboards.analysis.dependence import dependence, on_test_images
from leaderboards.analysis.gain import NAIVE
from leaderboards.boards import boards
from leaderboards.schema import IMAGE, OodCell, Result
from leaderboards.store import ScoreReader, load_scores
from leaderboards.tables.aggregate import SETTING, setting_of
from lsood.metrics.autocorrelation import block_length
from lsood.metrics.comparison import compare, delong_covariance, holm
from lsood.metrics.points import auroc
from lsood.metrics.resampling import Blocks

LEVEL = 0.05
TIED = "†"
AGREE = 1e-6
PAIRED_NOTE = (
    f"{TIED}: not significantly different from the best AUROC of its table (paired DeLong test on the same images, "
    f"Holm's correction over all pairs of methods of the table, level {LEVEL:.0%}; where images were made from the "
    "same source, its version for clustered data, Obuchowski 1997; where images are frames of sequences, over circular "
    "blocks that follow each other). With several seeds the difference must have one "
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
    "block_length",
    "blocks",
    "p",
    "p_holm",
]
Key = tuple[str, ...]
Scores = tuple["pd.Series[float]", "pd.Series[float]", dict[str, str], dict[str, str]]
Tested = tuple[float, float, float, int, float]


def significance(runs: Mapping[Path, Result], read: ScoreReader = load_scores) -> pd.DataFrame:
    """One row per pair of methods of an image-level table, the better one first; columns as in ``COLUMNS``.

    Tested are methods whose scores lie beside their results and give the AUROC recorded there, on the seeds that both
    have. ``clustered``: images share sources. ``block_length``: frames that follow each other and count as one, the
    longer of what the scores of the two methods ask for; with fewer than ten ``blocks`` p is empty. Results of other
    levels are skipped: their rows are not independent.
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
    """In-distribution and OoD scores by image key, {OoD image: its source}, and {source: its sequence}; None where they
    are not those of the cell.
    """
    if cell.failure is not None or "auroc" not in cell.metrics:
        return None
    frame_in, frame_out = (frame[frame["set"] == name] for name in ("ind-test", cell.name))
    scores_in, scores_out = (part.set_index("key")["score"] for part in (frame_in, frame_out))
    if not (scores_in.index.is_unique and scores_out.index.is_unique):
        return None
    if (len(scores_in), len(scores_out)) != (cell.n_in, cell.n_out) or min(cell.n_in, cell.n_out) < 2:
        return None
    if abs(auroc(scores_in, scores_out) - cell.metrics["auroc"].value) > AGREE:
        return None
    (_, names), sequences = dependence(frame_in, frame_out, on_test_images(run.ind.name, cell.name))
    return scores_in, scores_out, dict(zip(scores_out.index, names, strict=True)), sequences


def _pairs(key: Key, methods: Mapping[str, Mapping[int, Scores]]) -> list[dict[str, Any]]:
    seeds = sorted({seed for found in methods.values() for seed in found})
    tested: dict[tuple[str, str], list[Tested]] = {}
    clustered = False
    for seed in seeds:
        groups: dict[Any, list[str]] = {}
        for name in sorted(m for m in methods if seed in methods[m]):
            scores_in, scores_out, *_ = methods[name][seed]
            groups.setdefault((frozenset(scores_in.index), frozenset(scores_out.index)), []).append(name)
        for names in groups.values():  # methods that scored the same images
            first_in, first_out, source_of, sequences = methods[names[0]][seed]
            x = np.stack([methods[name][seed][0][first_in.index] for name in names])
            y = np.stack([methods[name][seed][1][first_out.index] for name in names])
            sides = [str(k) for k in first_in.index], [source_of[k] for k in first_out.index]
            clustered |= len({*sides[0], *sides[1]}) < len(sides[0]) + len(sides[1])
            for (a, b), found in _tests(x, y, sides, sequences).items():
                tested.setdefault((names[a], names[b]), []).append(found)
    rows = [_row(key, pair, found, clustered) for pair, found in tested.items()]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = float(adjusted)
    return sorted(rows, key=lambda row: (-row["auroc_a"], -row["auroc_b"], row["method_a"], row["method_b"]))


def _tests(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    sides: tuple[list[str], list[str]],
    sequences: Mapping[str, str],
) -> dict[tuple[int, int], Tested]:
    """Both AUROCs, p-value, block length and blocks of all pairs of K methods with scores (K, N), (K, M)."""
    lengths = [
        max(block_length(one, names, sequences) for one, names in zip(pair, sides, strict=True))
        for pair in zip(x, y, strict=True)
    ]
    of_length = {}
    for length in set(lengths):
        blocks = Blocks.of(sides, sequences, length)
        covariance = (
            None if blocks.too_few else delong_covariance(x, y, None if blocks.independent else blocks)
        )
        of_length[length] = blocks, covariance
    found = {}
    for a, b in itertools.combinations(range(len(x)), 2):
        length = max(lengths[a], lengths[b])
        blocks, covariance = of_length[length]
        p = np.nan if covariance is None else compare(*covariance, a, b, blocks.total, blocks.degrees).p
        found[a, b] = auroc(x[a], y[a]), auroc(x[b], y[b]), p, length, blocks.fewest
    return found


def _row(key: Key, pair: tuple[str, str], found: list[Tested], clustered: bool) -> dict[str, Any]:
    aurocs = np.array([values[:2] for values in found])
    differences, p = aurocs[:, 0] - aurocs[:, 1], np.array([values[2] for values in found])
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
        "block_length": max(values[3] for values in found),
        "blocks": round(min(values[4] for values in found), 1),
        "p": 1.0 if not agree and np.isfinite(p).all() else float(p.max()),
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


def untested(pairs: pd.DataFrame, part: pd.DataFrame) -> dict[str, list[str]]:
    """{why: the methods of a table that have no test against its best one}."""
    ranked: Sequence[str] = list(part.loc[(part["method"] != NAIVE) & part["auroc"].notna(), "method"])
    if len(ranked) < 2:
        return {}
    best, first = ranked[0], part.iloc[0]
    of_table = pairs[np.logical_and.reduce([pairs[name] == first[name] for name in KEYS])]
    with_best: Iterable[Any] = of_table[
        (of_table["method_a"] == best) | (of_table["method_b"] == best)
    ].itertuples()
    p = {name: row.p for row in with_best for name in (row.method_a, row.method_b)}
    found: dict[str, list[str]] = {}
    for name in ranked:
        if name not in p:
            found.setdefault("their scores are on different images", []).append(name)
        elif name != best and pd.isna(p[name]):
            found.setdefault("there are too few independent frames", []).append(name)
    return found
