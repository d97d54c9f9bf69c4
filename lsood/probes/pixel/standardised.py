"""Standardised maximum logit of single pixels (Jung et al., ICCV 2021): its moments on fit images, and its maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.perturbation import digest
from lsood.probes.pixel.boundary import smoothed, suppressed
from lsood.probes.pixels import PixelProbe


@dataclass(frozen=True)
class MaxLogitMoments(Probe):
    """(B, K, 3) float64: of an image's pixels that are predicted as class k, how many, the sum of their maximum logits
    and that of its squares; added up on the CPU in a fixed order. Pixels whose target is ignored are left out.
    """

    num_classes: int

    @property
    def name(self) -> str:
        return f"max_logit_moments.k{self.num_classes}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        best, which = (found.cpu() for found in forward.logits.max(1))
        k, labels = self.num_classes, None if forward.label_maps is None else forward.label_maps.cpu()
        found = torch.zeros(len(best), k, 3, dtype=torch.float64)
        for i, (value, predicted) in enumerate(zip(best.double(), which, strict=True)):
            if labels is not None:
                known = (labels[i] >= 0) & (labels[i] < k)
                value, predicted = value[known], predicted[known]
            value, predicted = value.flatten(), predicted.flatten()
            for column, weights in enumerate((torch.ones_like(value), value, value.square())):
                found[i, :, column] = torch.bincount(predicted, weights, k)
        return found


@dataclass(frozen=True, eq=False)
class StandardisedMaps(PixelProbe):
    """(B, 1, H, W) float32 minus (max_k z_k - m_c) / s_c, c the predicted class; higher = more anomalous.

    Args:
        mean, deviation: m and s, (K,) float64. boundary: width of the boundaries between predicted classes that are
            suppressed before the map is smoothed, see `lsood.probes.pixel.boundary`; 0: neither is done.
    """

    mean: Tensor = field(repr=False)
    deviation: Tensor = field(repr=False)
    boundary: int = 0

    @property
    def name(self) -> str:
        return f"standardised_maps.{digest(self.mean, self.deviation)}.b{self.boundary}"

    @property
    def scores(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        best, which = forward.logits.float().max(1, keepdim=True)
        mean, deviation = (of.float().to(best.device)[which] for of in (self.mean, self.deviation))
        scores = (mean - best) / deviation
        return smoothed(suppressed(scores, which, self.boundary)) if self.boundary else scores
