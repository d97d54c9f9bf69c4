"""Virtual-logit matching (Wang et al., CVPR 2022) of single pixels: a scaled residual minus log sum_k exp z_k."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from lsood.extraction.devices import double
from lsood.probes.base import ForwardOutputs
from lsood.probes.perturbation import digest
from lsood.probes.pixel.positions import PositionProbe


@dataclass(frozen=True, eq=False)
class PixelVirtualLogit(PositionProbe):
    """(B, 1, H, W) float32 a ||R'(f - o)|| - log sum_k exp z_k: the residual of a position's feature, in float64 and
    bilinear between positions, and the logits of the pixel itself; higher = more anomalous.

    Args:
        layer: of the features. origin: o, (C,) float64. complement: R, (C, D) float64. alpha: a.
    """

    origin: Tensor = field(repr=False)
    complement: Tensor = field(repr=False)
    alpha: float
    unit: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"pixel_virtual_logit.{self.layer}.{digest(self.origin, self.complement)}.a{self.alpha!r}"

    def _score(self, rows: Tensor) -> Tensor:
        x = double(rows)
        return ((x - self.origin.to(x.device)) @ self.complement.to(x.device)).norm(dim=1)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        return self.alpha * self._at_pixels(forward) - forward.logits.float().logsumexp(1, keepdim=True)
