"""Mean ranks of methods over data sets, Friedman's test and Nemenyi's critical difference (Demsar, JMLR 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from leaderboards.analysis.naive import NAIVE
from leaderboards.figures.curves import PALETTE, _save

LEVEL = 0.05
FEWEST, ENOUGH = 3, 10
ROUNDING = 9  # decimals within which AUROCs tie


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of K methods over B blocks (a network on one in-distribution and one OoD set, mean of the
    seeds); rank 1 = highest AUROC, ties share the mean of their ranks.

    Attributes:
        mean: {method: mean rank}, best first. blocks: B. p: of Friedman's test that all methods rank alike.
        critical: mean ranks that differ by more differ significantly (Nemenyi, level .05).
        left_out: methods without a value in every block.
    """

    mean: dict[str, float]
    blocks: int
    p: float
    critical: float
    left_out: tuple[str, ...]

    @property
    def bars(self) -> list[tuple[str, str]]:
        """First and last method of every longest run of methods that do not differ; one run of all where
        Friedman's test finds nothing.
        """
        names = list(self.mean)
        if self.p >= LEVEL:
            return [(names[0], names[-1])]
        ends = [
            max(j for j, n in enumerate(names) if self.mean[n] - self.mean[m] <= self.critical) for m in names
        ]
        runs = [(i, end) for i, end in enumerate(ends) if end > i and (i == 0 or end > ends[i - 1])]
        return [(names[i], names[end]) for i, end in runs]

    @property
    def note(self) -> str:
        """What the diagram says and how much that is worth."""
        few = (
            f" With {self.blocks} blocks (fewer than {ENOUGH}) the test has little power."
            if self.blocks < ENOUGH
            else ""
        )
        missing = f" Without {', '.join(self.left_out)}: no value in every block." if self.left_out else ""
        return (
            f"Mean ranks by AUROC over {self.blocks} blocks (network x in-distribution x OoD set, mean of the seeds); "
            f"a bar joins methods that do not differ (Friedman p = {self.p:.2g}, Nemenyi critical difference "
            f"{self.critical:.2f} at level {LEVEL:.0%}).{few}{missing} Blocks that share a network or images are not "
            "independent."
        )


def critical_difference(methods: int, blocks: int, level: float = LEVEL) -> float:
    """Nemenyi's: q sqrt(K (K + 1) / 6B), q the studentised range's quantile for infinite degrees of freedom over
    sqrt(2).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    q = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, K) AUROCs -> (K,) mean ranks, 1 = highest."""
    return rankdata(-np.round(values, ROUNDING), axis=1).mean(0)


def ranks(table: pd.DataFrame) -> dict[str, Ranks]:
    """{protocol: ranks} from the rows of `leaderboards.tables.images.rows`, for every protocol with at least three blocks
    and three methods that have a value in all of them. The naive detector is not ranked.
    """
    found = {}
    for protocol, part in table[table["method"] != NAIVE].groupby("protocol"):
        wide = part.pivot_table(
            index=["ind", "ind_origin", "network", "ood", "ood_origin"], columns="method", values="auroc"
        )
        whole = wide.dropna(axis=1)
        if min(whole.shape) < FEWEST:
            continue
        values = whole.to_numpy(float)
        means = mean_ranks(values)
        order = np.argsort(means, kind="stable")
        alike = bool((np.ptp(np.round(values, ROUNDING), axis=1) == 0).all())
        p = 1.0 if alike else float(friedmanchisquare(*np.round(values, ROUNDING).T).pvalue)
        critical = critical_difference(len(means), len(values))
        left_out = tuple(sorted(set(part["method"]) - set(whole.columns)))
        mean = {str(whole.columns[i]): float(means[i]) for i in order}
        found[str(protocol)] = Ranks(mean, len(values), p, critical, left_out)
    return found


def ranks_figure(found: Ranks, title: str, path: Path) -> None:
    """The critical-difference diagram: an axis of mean ranks, the best on the left, bars under it."""
    names, count = list(found.mean), len(found.mean)
    half = (count + 1) // 2
    top = 0.9 + 0.22 * len(found.bars)
    height = top + 0.3 * half + 0.6
    figure = Figure(figsize=(8, 0.75 * height + 0.9), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(1 - 0.45 * count, count + 0.45 * count), ylim=(-height, 1.5))
    axes.set_axis_off()
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.15], color="black", linewidth=1)
        axes.text(rank, 0.25, str(rank), ha="center", fontsize=8)
    axes.plot([1, 1 + found.critical], [1.0, 1.0], color=PALETTE[1], linewidth=2)
    axes.text(1, 1.1, f"critical difference {found.critical:.2f}", color=PALETTE[1], fontsize=8)
    _names(axes, found.mean, names[:half], top, 1 - 0.05 * count, "right")
    _names(axes, found.mean, names[half:][::-1], top, count + 0.05 * count, "left")
    for i, (first, last) in enumerate(found.bars):
        ends = [found.mean[first] - 0.04, found.mean[last] + 0.04]
        axes.plot(ends, [-0.35 - 0.22 * i] * 2, color=PALETTE[0], linewidth=4, solid_capstyle="butt")
    few = f"; fewer than {ENOUGH} blocks: little power" if found.blocks < ENOUGH else ""
    axes.set_title(
        f"{title}\nmean rank by AUROC over {found.blocks} blocks, Friedman p = {found.p:.2g}{few}", fontsize=9
    )
    _save(figure, path)


def _names(axes, mean: dict[str, float], names: Sequence[str], top: float, edge: float, side: str) -> None:  # type: ignore[no-untyped-def]
    for i, name in enumerate(names):
        y = -top - 0.3 * i
        axes.plot([mean[name], mean[name], edge], [0, y, y], color="grey", linewidth=0.8)
        text = f"{name}  {mean[name]:.2f} " if side == "right" else f" {mean[name]:.2f}  {name}"
        axes.text(edge, y, text, ha=side, va="center", fontsize=8)
