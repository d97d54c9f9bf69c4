"""Mean ranks of methods over data sets, Friedman's test and Nemenyi's critical difference (Demsar, JMLR 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from leaderboards.analysis.gain import NAIVE

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
        left_out: methods without a value in every block. protocol: of the methods.
        synthetic: OoD sets of noise and of drawn anomalies, which are no blocks.
    """

    mean: dict[str, float]
    blocks: int
    p: float
    critical: float
    left_out: tuple[str, ...]
    protocol: str = "no-ood"
    synthetic: tuple[str, ...] = ()

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
        made = (
            f" Sets of noise or drawn anomalies do not count: {', '.join(self.synthetic)}."
            if self.synthetic
            else ""
        )
        return (
            f"Mean ranks by AUROC over {self.blocks} blocks (network x in-distribution x OoD set, mean of the seeds); "
            f"a bar joins methods that do not differ (Friedman p = {self.p:.2g}, Nemenyi critical difference "
            f"{self.critical:.2f} at level {LEVEL:.0%}).{few}{missing}{made} Every block counts the same. Blocks "
            "that share a network or images are not independent."
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


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """(B, K) AUROCs of the rows of one protocol from `leaderboards.tables.aggregate.rows`: blocks down, methods that
    have a value in all of them across, in the order of their names. The image-statistics baseline is no such method;
    sets of noise and of drawn anomalies are no blocks.
    """
    index = ["ind", "ind_origin", "network", "ood", "ood_origin", "ood_fingerprint", "run_id"]
    part = table[(table["method"] != NAIVE) & (table["synthetic"] == "")]
    wide = part.pivot_table(index=[n for n in index if n in part], columns="method", values="auroc")
    return wide.dropna(axis=1)


def ranks(table: pd.DataFrame) -> dict[str, Ranks]:
    """{protocol: ranks} from `leaderboards.tables.aggregate.rows`, for every protocol with at least three blocks and
    three methods that have a value in all of them. The image-statistics baseline is not ranked; sets of noise and of
    drawn anomalies are no blocks.
    """
    found = {}
    for protocol, part in table[table["method"] != NAIVE].groupby("protocol"):
        whole = complete(part)
        made = tuple(sorted(set(part.loc[part["synthetic"] != "", "ood"])))
        if min(whole.shape) < FEWEST:
            continue
        values = whole.to_numpy(float)
        means = mean_ranks(values)
        order = np.argsort(means, kind="stable")
        alike = bool((np.ptp(np.round(values, ROUNDING), axis=1) == 0).all())
        p = 1.0 if alike else float(friedmanchisquare(*np.round(values, ROUNDING).T).pvalue)
        critical = critical_difference(len(means), len(values))
        ranked = part.loc[part["synthetic"] == "", "method"]
        left_out = tuple(sorted(set(ranked) - set(whole.columns)))
        mean = {str(whole.columns[i]): float(means[i]) for i in order}
        found[str(protocol)] = Ranks(mean, len(values), p, critical, left_out, str(protocol), made)
    return found
