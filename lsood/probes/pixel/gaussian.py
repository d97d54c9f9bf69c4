"""Squared Mahalanobis distance of single pixels to the nearest class mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from lsood.density.kernel import squared_distances
from lsood.extraction.devices import double
from lsood.probes.perturbation import digest
from lsood.probes.pixel.positions import PositionProbe

TINY = 1e-12


@dataclass(frozen=True, eq=False)
class PixelGaussians(PositionProbe):
    """(B, 1, H, W) float32 log of min_c ||W'f - m_c||^2, f the unit feature of a position, computed in
    float64, bilinear between positions; higher = more anomalous. The log ranks as the distance does, which float16 does
    not hold.

    Args:
        layer: of the features. whitener: W, (C, R) float64, see `lsood.density.kernel.whitener`. means: of the classes,
            times W, (K, R) float64.
    """

    whitener: Tensor = field(repr=False)
    means: Tensor = field(repr=False)

    @property
    def name(self) -> str:
        return f"pixel_gaussians.{self.layer}.{digest(self.whitener, self.means)}"

    def _score(self, rows: Tensor) -> Tensor:
        x = double(rows)
        means, whitener = self.means.to(x.device), self.whitener.to(x.device)
        return squared_distances(x @ whitener, means).amin(1).clamp_min(TINY).log()
