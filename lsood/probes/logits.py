"""The logits of a classification network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lsood.probes.base import ForwardOutputs, Probe


@dataclass(frozen=True)
class Logits(Probe):
    """(B, K) float32 logits of a classification network."""

    @property
    def name(self) -> str:
        return "logits"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        return forward.logits.float()
