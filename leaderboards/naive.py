"""The naive detector in leaderboards: set apart as a yardstick, and what every method gains over it."""

from __future__ import annotations

import pandas as pd

NAIVE = "naive"
NAIVE_TITLE = "naive (11 image statistics, no network)"
NAIVE_NOTE = (
    "Gain: (AUROC - naive) / (1 - naive), in percent, over the naive detector of the same set: 0 means that eleven "
    "statistics of the image do as well without a network. A naive detector below chance counts as chance; where it is "
    "perfect there is no gain to be had."
)


def gains(table: pd.DataFrame) -> pd.Series:
    """Gain over naive of every row: (AUROC - naive) / (1 - naive) with the naive AUROC of the same sets,
    network and protocol, at least .5. NaN without a naive row, and where the naive detector is perfect.
    """
    keys = ["ind", "ind_origin", "network", "protocol", "ood", "ood_origin"]
    auroc = table["auroc"].astype(float)
    known = auroc.where(table["method"] == NAIVE)
    naive = known.groupby([table[key] for key in keys]).transform("max").clip(lower=0.5)
    return ((auroc - naive) / (1 - naive)).where(naive < 1)


def methods_of(part: pd.DataFrame) -> pd.DataFrame:
    """A group's rows without the naive detector, which is a yardstick and not ranked."""
    return part[part["method"] != NAIVE]


def has_naive(part: pd.DataFrame) -> bool:
    """Whether the naive detector is among the rows."""
    return bool((part["method"] == NAIVE).any())
