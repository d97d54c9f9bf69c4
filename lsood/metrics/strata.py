"""What a detector misses: AUROC and FPR95 of every part of an OoD set (a kind of anomaly, a severity) against
the same in-distribution images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsood.metrics.curve import Array, check_scores
from lsood.metrics.intervals import Estimate, delong_interval
from lsood.metrics.resampling import RESAMPLES, Blocks, chunks
from lsood.metrics.table import ROWS

SMALLEST_STRATUM = 5
Name = TypeVar("Name")


def evaluate_strata(
    scores_in: ArrayLike,
    scores_out: ArrayLike,
    strata: Mapping[Name, Sequence[int]],
    blocks: Blocks,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Name, dict[str, Estimate]]:
    """AUROC and FPR95 (OoD positive; keys "auroc", "fpr95") with 95 % intervals, for every stratum of at least
    5 OoD images.

    AUROC: `lsood.metrics.intervals.delong_interval` over blocks. FPR95: all strata share one sort and one set of
    resamples of the blocks; resamples without an image of the stratum do not count.

    Args:
        scores_in, scores_out: (N,), (M,) anomaly scores.
        strata: indices into ``scores_out``; they may overlap.
        blocks: of the N and M images.

    Raises:
        ValueError: scores that no metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    x, y = check_scores(scores_in, scores_out)
    members = {name: _falling(y, rows) for name, rows in strata.items() if len(rows) >= SMALLEST_STRATUM}
    at_or_above, above = _levels(x, y)
    once = np.ones((1, len(x))), np.ones((1, len(y)))
    values = _block(x, members, at_or_above, above, *once)
    random = np.random.default_rng(seed)
    draws: dict[Name, list[Array]] = {name: [np.zeros(0)] for name in members}
    for count in chunks(resamples, len(x) + 3 * len(y)) if not blocks.too_few else ():
        drawn = _block(x, members, at_or_above, above, *blocks.weights(random, count))
        for name, columns in drawn.items():
            draws[name].append(columns[1])
    found, every = {}, np.arange(len(x))
    for name, rows in members.items():
        first, second = values[name][:, 0]
        own = blocks.take(every, rows)
        low, high = (None, None) if own.too_few else delong_interval(x, y[rows], blocks=own)
        rate = Estimate.of(second, np.concatenate(draws[name]), ROWS["fpr95"], own)
        found[name] = {"auroc": Estimate(float(first), low, high), "fpr95": rate}
    return found


def _falling(y: Array, rows: Sequence[int]) -> NDArray[np.int64]:
    index = np.asarray(rows, dtype=np.int64)
    return index[np.argsort(-y[index], kind="stable")]


def _levels(x: Array, y: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many in-distribution scores lie at or above, and above, every OoD score."""
    ordered = np.sort(x)
    return len(x) - np.searchsorted(ordered, y, "left"), len(x) - np.searchsorted(ordered, y, "right")


def _block(
    x: Array,
    members: Mapping[Name, NDArray[np.int64]],
    at_or_above: NDArray[np.int64],
    above: NDArray[np.int64],
    w_in: Array,
    w_out: Array,
) -> dict[Name, Array]:
    """{stratum: (2, R') AUROC and FPR95 of the resamples that have an image of the stratum}."""
    order = np.argsort(-x, kind="stable")
    passed = np.cumsum(w_in[:, order], axis=1)
    passed = np.concatenate([np.zeros((len(w_in), 1)), passed], axis=1) / passed[:, -1:]
    flagged = passed[:, at_or_above]  # (R, M): share of in-distribution flagged when this OoD image is caught
    beaten = 1 - (flagged + passed[:, above]) / 2
    found = {}
    for name, rows in members.items():
        weights = w_out[:, rows]
        total = weights.sum(1)
        there = total > 0
        area = (weights * beaten[:, rows]).sum(1)[there] / total[there]
        first = (np.cumsum(weights, axis=1) >= 0.95 * total[:, None] - 1e-9).argmax(1)
        rate = flagged[np.arange(len(first)), rows[first]][there]
        found[name] = np.stack([area, rate])
    return found
