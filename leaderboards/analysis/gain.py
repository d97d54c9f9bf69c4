"""What a method gains over the image-statistics baseline (method "naive"), which uses no network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from leaderboards.schema import OodCell

NAIVE = "naive"
CHANCE = 0.5
ROUNDING = 1e-9


def naive_auroc(cells: Sequence[OodCell]) -> float:
    """Mean over seeds of the baseline's AUROC on the images of these cells; NaN where it did not run."""
    known = [cell.naive for cell in cells if cell.naive is not None]
    return float(np.mean(known)) if known else float("nan")


def gain(auroc: float, naive: float) -> float:
    """(AUROC - naive) / (1 - naive), with the baseline's AUROC at least .5. NaN where one of them is NaN, and where the
    baseline is perfect but for rounding.

    >>> round(gain(0.9, 0.8), 3), round(gain(0.7, 0.8), 3), round(gain(0.9, 0.3), 3)
    (0.5, -0.5, 0.8)
    """
    naive = float(np.maximum(naive, CHANCE))
    return (auroc - naive) / (1 - naive) if naive < 1 - ROUNDING else float("nan")


def has_naive(part: pd.DataFrame) -> bool:
    """Whether the baseline ran on the images of these rows."""
    return bool(part["naive"].notna().any())
