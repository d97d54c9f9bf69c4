"""Generalised entropy (Liu, Lochman & Zach, CVPR 2023): score = sum over the M largest p of p^g (1 - p)^g."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.logits import LogitDetector


class GEN(LogitDetector):
    """See the module. Logs of p and of 1 - p are taken from the logits, so no probability is clamped.

    Args:
        gamma: g in (0, 1]; 0.1 in the paper and in OpenOOD.
        largest: M, at most all classes; 100 in OpenOOD (10 % of the classes on ImageNet in the paper).
    """

    name: ClassVar[str] = "gen"
    paper: ClassVar[str] = "Liu et al., CVPR 2023"

    def __init__(self, gamma: float = 0.1, largest: int = 100) -> None:
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {gamma}")
        if largest < 1:
            raise ValueError(f"largest must be at least 1, got {largest}")
        self.gamma, self.largest = gamma, largest

    def _anomaly(self, z: Tensor) -> Tensor:
        total = z.logsumexp(1, keepdim=True)
        log_p, order = (z - total).sort(dim=1, descending=True)
        log_rest = torch.log1p(-log_p.exp())
        others = z.scatter(1, order[:, :1], -torch.inf)
        log_rest[:, :1] = others.logsumexp(1, keepdim=True) - total
        return (self.gamma * (log_p + log_rest))[:, : self.largest].exp().sum(1)
