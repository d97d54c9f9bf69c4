"""Boundary suppression and dilated smoothing of a score map (Jung et al., ICCV 2021, sections 3.3 and 3.4).

Scores on the boundaries between predicted classes are uncertain whatever is there. From wide to narrow, boundary pixels
take the mean of the pixels among their 3x3 neighbours that are not on a boundary; a Gaussian with gaps then smooths
all.

As in the authors' code (shjung13/Standardized-max-logits, network/deepv3.py): a boundary is where the largest class
index among a pixel and its 4 neighbours is not the smallest among it and its 8 neighbours, the distance to it is in
steps along the axes, the width falls by 1 in every step down to the boundary itself, 7x7 Gaussian of standard deviation
1 and dilation 6, edges replicated. There the number of steps is an option of its own, equal to the width by default.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DILATION, RADIUS, DEVIATION = 6, 3, 1.0


def _cross(maps: Tensor) -> Tensor:
    """(B, 1, H, W): the largest value among a pixel and its 4 neighbours."""
    return torch.maximum(
        F.max_pool2d(maps, (3, 1), 1, (1, 0)),
        F.max_pool2d(maps, (1, 3), 1, (0, 1)),
    )


def _mean3(maps: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), 3, 1)


def suppressed(scores: Tensor, predicted: Tensor, width: int) -> Tensor:
    """Scores (B, 1, H, W) with the pixels within ``width`` - 1 steps of a boundary replaced.

    Args:
        predicted: (B, 1, H, W) class indices. width: at least 1; 4 in the paper.
    """
    classes = predicted.float()
    boundaries = [(_cross(classes) != -F.max_pool2d(-classes, 3, 1, 1)).float()]
    for _ in range(width - 1):
        boundaries.append(_cross(boundaries[-1]))
    for boundary in reversed(boundaries):
        inside = 1 - boundary
        share = _mean3(inside)
        mean = _mean3(scores * inside) / share
        scores = torch.where((boundary > 0) & (share > 0), mean, scores)
    return scores


def smoothed(scores: Tensor) -> Tensor:
    """Scores (B, 1, H, W) smoothed by the Gaussian with gaps, rows and columns one after the other."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    weights = (-(offsets**2) / (2 * DEVIATION**2)).exp()
    kernel = (weights / weights.sum()).to(scores)
    reach = RADIUS * DILATION
    padded = F.pad(scores, (reach,) * 4, mode="replicate")
    columns = F.conv2d(padded, kernel.reshape(1, 1, -1, 1), dilation=(DILATION, 1))
    return F.conv2d(columns, kernel.reshape(1, 1, 1, -1), dilation=(1, DILATION))
