"""The naive detector in leaderboards: set apart as a yardstick, and what every method gains over it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from leaderboards.schema import OodCell

NAIVE = "naive"
NAIVE_TITLE = "naive (no network)"
NAIVE_NOTE = (
    "Gain: (AUROC - naive) / (1 - naive), in percent, over the naive detector on the same images: 0 means that eleven "
    "statistics of the image do as well without a network. A naive detector below chance counts as chance; where it is "
    "perfect there is no gain to be had."
)
CHANCE = 0.5
ROUNDING = 1e-9


def naive_auroc(cells: Sequence[OodCell]) -> float:
    """Mean over seeds of the naive detector's AUROC on the images of these cells; NaN where it did not
    run.
    """
    known = [cell.naive for cell in cells if cell.naive is not None]
    return float(np.mean(known)) if known else float("nan")


def gain(auroc: float, naive: float) -> float:
    """(AUROC - naive) / (1 - naive), with the naive AUROC at least .5. NaN where one of them is NaN, and
    where the naive detector is perfect but for rounding.

    >>> round(gain(0.9, 0.8), 3), round(gain(0.7, 0.8), 3), round(gain(0.9, 0.3), 3)
    (0.5, -0.5, 0.8)
    """
    naive = float(np.maximum(naive, CHANCE))
    return (auroc - naive) / (1 - naive) if naive < 1 - ROUNDING else float("nan")


def gain_text(value: float) -> str:
    """In percent with one decimal; "< -100" where even naive's distance to perfection is doubled, "" for
    NaN.
    """
    if pd.isna(value):
        return ""
    return "< -100" if value < -1 else f"{100 * value:.1f}"


def methods_of(part: pd.DataFrame) -> pd.DataFrame:
    """A group's rows without the naive detector, which is a yardstick and not ranked."""
    return part[part["method"] != NAIVE]


def has_naive(part: pd.DataFrame) -> bool:
    """Whether the naive detector ran on the images of these rows."""
    return bool(part["naive"].notna().any())
