"""What came of one method: cells, scores, threshold and cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from leaderboards.schema import OodCell
from lsood.detector import Detector


@dataclass
class Scored:
    """What came of one method at one level under one protocol.

    Attributes:
        cells: one per OoD set.
        scores: columns set, key, score and those of the level, see `benchmarks.levels.base.Level.frame`; under
            "oracle-val" the in-distribution scores of the first OoD set's detector; None where rows are not scored one
            by one.
        threshold: of the first OoD set's detector; None when the method failed. n_calibration: rows it comes from.
        n_fit: rows the method was fitted on.
        tuned: {OoD set, or "" for all: constructor arguments chosen}.
        false_alarm_rate: that the threshold was set for.
        fit_seconds, score_seconds: of fit + tuning + calibration, and of scoring the rows of every set, without any
            pass over images; None where scores are made during the pass.
    """

    level: str
    method: str
    protocol: str
    detector: Detector
    cells: list[OodCell]
    scores: pd.DataFrame | None
    threshold: float | None
    n_calibration: int
    n_fit: int
    fit_seconds: float
    score_seconds: float | None
    peak_memory_mb: float
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    false_alarm_rate: float = 0.05
