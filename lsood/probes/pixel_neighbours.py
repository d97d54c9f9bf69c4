"""Latent density of single pixels: how unlike those of in-distribution pixels a pixel's feature is.

Deep nearest neighbours (Sun et al., ICML 2022), per position of the last feature map of a segmentation network:
1 - cosine similarity to the nearest of some features of the fit set. No class labels, no OoD data, exact search.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lsood.extraction.masks import image_generator
from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.perturbation import digest
from lsood.probes.pixels import PixelProbe

STRIDE = 4
BANK = 1024
CELLS = 2**23  # similarities held at once


def position_features(maps: Tensor, height: int, width: int) -> tuple[Tensor, int]:
    """(B, C, h, w) unit features of positions that lie ``stride`` pixels apart, and the stride, at least 4:
    finer maps are averaged. A map may reach beyond the lower and right edge of its (height, width) image.
    """
    stride = max(-(-height // maps.shape[-2]), -(-width // maps.shape[-1]))
    if stride < STRIDE:
        maps = F.avg_pool2d(maps, STRIDE // stride, ceil_mode=True)
        stride *= STRIDE // stride
    return F.normalize(maps.float(), dim=1), stride


@dataclass(frozen=True)
class PixelFeatures(Probe):
    """(B, n, C) float32 unit features of n random positions of a layer's output, seeded by the image's key; rows
    of zeros where fewer are known. Positions whose target is ignored are not drawn.
    """

    layer: str
    num_classes: int
    per_image: int = 16
    seed: int = 0

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def name(self) -> str:
        return f"pixel_features.{self.layer}.k{self.num_classes}.n{self.per_image}.s{self.seed}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        maps, stride = position_features(forward.outputs[self.layer], *forward.images.shape[-2:])
        drawn = maps.new_zeros((len(maps), self.per_image, maps.shape[1]))
        for i, key in enumerate(forward.keys):
            inside = maps[
                i, :, : -(-forward.images.shape[-2] // stride), : -(-forward.images.shape[-1] // stride)
            ]
            known = torch.ones(inside.shape[-2:], dtype=torch.bool)
            if forward.label_maps is not None:
                centre = forward.label_maps[i].cpu()[stride // 2 :: stride, stride // 2 :: stride]
                known[:] = False
                known[: centre.shape[0], : centre.shape[1]] = (centre >= 0) & (centre < self.num_classes)
            places = known.flatten().nonzero()[:, 0]
            order = torch.randperm(
                len(places), generator=image_generator(key, self.seed, torch.device("cpu"))
            )
            chosen = places[order[: self.per_image]].to(maps.device)
            drawn[i, : len(chosen)] = inside.flatten(1)[:, chosen].T
        return drawn


@dataclass(frozen=True, eq=False)
class PixelNeighbours(PixelProbe):
    """(B, 1, H, W) float32 log of 1 - cosine similarity to the nearest of M stored features, bilinear between
    positions; higher = more anomalous.

    Args:
        layer: the one the features came from. bank: (M, C) unit features.
    """

    layer: str
    bank: Tensor = field(repr=False)

    @classmethod
    def of(cls, layer: str, drawn: Tensor, size: int = BANK) -> PixelNeighbours:
        """A seeded choice of what `PixelFeatures` drew from N fit images, (N, n, C).

        Raises:
            ValueError: no features.
        """
        rows = drawn.flatten(0, 1)
        rows = rows[rows.any(1)]
        if not len(rows):
            raise ValueError(
                f"{layer}: no features of the fit set: every pixel is ignored, or the layer is dead"
            )
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        return cls(layer, rows[order[:size].sort().values])

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def name(self) -> str:
        return f"pixel_neighbours.{self.layer}.{digest(self.bank)}"

    @property
    def scores(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        height, width = forward.images.shape[-2:]
        maps, stride = position_features(forward.outputs[self.layer], height, width)
        batch, channels, h, w = maps.shape
        rows, bank = maps.permute(0, 2, 3, 1).reshape(-1, channels), self.bank.to(maps.device).T
        nearest = torch.cat([(part @ bank).amax(1) for part in rows.split(max(1, CELLS // bank.shape[1]))])
        distance = (1 - nearest).clamp_min(1e-7).log().reshape(batch, 1, h, w)
        spread = F.interpolate(distance, size=(h * stride, w * stride), mode="bilinear", align_corners=False)
        return spread[..., :height, :width]
