"""What pooling leaves out of a feature map: statistics of every channel over space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lsood.probes.base import ForwardOutputs, Probe

STATISTICS = ("mean", "std", "max")


@dataclass(frozen=True)
class ChannelStatistics(Probe):
    """(B, 3, C) float32: mean, standard deviation (divisor n - 1) and maximum over space of every channel, of the
    deepest of some layers (shallow to deep) that gives a map with more than one position.
    """

    of: tuple[str, ...]

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.of

    @property
    def name(self) -> str:
        return f"channels.{'+'.join(self.of)}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        found = [forward.outputs[layer] for layer in self.of]
        maps = [
            one for one in found if isinstance(one, Tensor) and one.ndim == 4 and one.shape[2:].numel() > 1
        ]
        if not maps:
            raise ValueError(
                f"none of the feature layers {', '.join(self.of)} gives a map with more than one position; "
                "--feature-layers names one that does"
            )
        flat = maps[-1].float().flatten(2)
        return torch.stack([flat.mean(2), flat.std(2), flat.amax(2)], dim=1)
