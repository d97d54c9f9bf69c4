"""Scores of validation rows by a detector that was not calibrated on them, for thresholds.

A method that is calibrated on validation rows scores these too low: a threshold taken from such scores raises more
false alarms than it says. So its threshold comes from out-of-fold scores: the rows are split into folds, and each fold
is scored by a copy that was calibrated on the others. The detector itself stays calibrated on all of them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lsood.detector import Detector, Input, scores_of
from lsood.extraction.activations import Activations

FOLDS = 5


def calibrates(detector: Detector) -> bool:
    """Whether the method learns anything from validation rows."""
    return type(detector).calibrate is not Detector.calibrate


def out_of_fold_scores(
    fitted: Detector,
    validation: Input,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    folds: int = FOLDS,
) -> Tensor:
    """(N,) float64 scores of N validation rows, for `lsood.threshold_at`.

    Args:
        fitted: not calibrated yet; stays as it is.
        groups: N names; rows of one name (detections of an image, frames of a drive) stay in one fold. By default each
            row alone.
        seed: of the split.

    Raises:
        ValueError: fewer than two groups.
    """
    groups = [str(i) for i in range(_count(validation))] if groups is None else groups
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise ValueError(
            f"{fitted.name}: its threshold needs at least two validation images, got {len(names)}"
        )
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    fold_of = {names[i]: place % min(folds, len(names)) for place, i in enumerate(order)}
    fold = torch.tensor([fold_of[name] for name in groups])
    scores = torch.empty(len(groups), dtype=torch.float64)
    for own in fold.unique():
        rest, held_out = (fold != own).nonzero()[:, 0], (fold == own).nonzero()[:, 0]
        calibrated = copy.copy(fitted).calibrate(_select(validation, rest))
        rows = _select(validation, held_out)
        scores[held_out] = scores_of(calibrated, rows, len(held_out)).double()
    return scores


def _count(rows: Input) -> int:
    return rows.images if isinstance(rows, Activations) else len(rows)


def _select(rows: Input, indices: Tensor) -> Input:
    return rows.select(indices) if isinstance(rows, Activations) else rows[indices]
