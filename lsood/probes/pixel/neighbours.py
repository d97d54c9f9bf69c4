"""Latent density of single pixels: how unlike those of in-distribution pixels a pixel's feature is.

Deep nearest neighbours (Sun et al., ICML 2022), per position of the last feature map of a segmentation network:
1 - cosine similarity to the k-th nearest of some features of the fit set. No class labels, no OoD data, exact search.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from lsood.probes.perturbation import digest
from lsood.probes.pixel.positions import PositionProbe, drawn_rows

BANK = 1024


@dataclass(frozen=True, eq=False)
class PixelNeighbours(PositionProbe):
    """(B, 1, H, W) float32 log of 1 - cosine similarity to the k-th nearest of M stored features, bilinear between
    positions; higher = more anomalous.

    Args:
        layer: the one the features came from. bank: (M, C) unit features. k: M where they are fewer.
    """

    bank: Tensor = field(repr=False)
    k: int = 1

    @classmethod
    def of(cls, layer: str, drawn: Tensor, size: int = BANK, k: int = 1) -> PixelNeighbours:
        """A seeded choice of what `PixelFeatures` drew from N fit images, (N, n, C).

        Raises:
            ValueError: no features.
        """
        rows, _ = drawn_rows(layer, drawn)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        return cls(layer, rows[order[:size].sort().values], k)

    @property
    def name(self) -> str:
        return f"pixel_neighbours.{self.layer}.{digest(self.bank)}" + (f".k{self.k}" if self.k > 1 else "")

    def _score(self, rows: Tensor) -> Tensor:
        similarities = rows @ self.bank.to(rows.device).T
        k = min(self.k, len(self.bank))
        nearest = similarities.amax(1) if k == 1 else similarities.topk(k, dim=1).values[:, -1]
        return (1 - nearest).clamp_min(1e-7).log()
