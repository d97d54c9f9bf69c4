"""Generalised entropy (Liu, Lochman & Zach, CVPR 2023) of single pixels: sum over the M largest p of p^g (1 - p)^g."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lsood.extraction.devices import double
from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.pixels import PixelProbe


def pixel_generalised_entropy(logits: Tensor, gamma: float = 0.1, largest: int = 100) -> Tensor:
    """(B, K, H, W) logits -> (B, H, W) float32: as `lsood.probes.logit_scores.generalised_entropy`, of many vectors of
    few classes, which are not sorted.
    """
    z = logits.float()
    best, which = z.max(1, keepdim=True)
    others = z.scatter(1, which, -torch.inf).logsumexp(1, keepdim=True)
    total = torch.logaddexp(best, others)
    if largest < z.shape[1]:
        z = z.topk(largest, dim=1).values
        which = torch.zeros_like(which)
    log_p = z - total
    log_rest = torch.log1p(-log_p.exp()).scatter(1, which, others - total)
    return (gamma * (log_p + log_rest)).exp().sum(1)


@dataclass(frozen=True)
class GENMaps(PixelProbe):
    """(B, 1, H, W) float32 generalised entropy of every pixel; higher = more anomalous."""

    gamma: float = 0.1
    largest: int = 100

    @property
    def name(self) -> str:
        return f"gen_maps.g{self.gamma:g}.m{self.largest}"

    @property
    def scores(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        return pixel_generalised_entropy(forward.logits, self.gamma, self.largest)[:, None]


@dataclass(frozen=True)
class GENMeans(Probe):
    """(B, 1) float64: generalised entropy, averaged over all pixels."""

    gamma: float = 0.1
    largest: int = 100

    @property
    def name(self) -> str:
        return f"gen_means.g{self.gamma:g}.m{self.largest}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        score = pixel_generalised_entropy(forward.logits, self.gamma, self.largest)
        return double(score).mean(dim=(1, 2))[:, None]
