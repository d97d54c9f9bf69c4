"""The positions of a feature map: their features, a seeded draw of them from fit images, and back to pixels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lsood.extraction.masks import image_generator
from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.pixels import PixelProbe

STRIDE = 4
ROWS = 2**13  # positions scored at once: 64 MiB of similarities to 1024 features in float64


def position_features(maps: Tensor, height: int, width: int, unit: bool = True) -> tuple[Tensor, int]:
    """(B, C, h, w) float32 features of positions that lie ``stride`` pixels apart, and the stride, at least 4: finer
    maps are averaged. A map may reach beyond the lower and right edge of its (height, width) image.

    Args:
        unit: of length 1.
    """
    stride = max(-(-height // maps.shape[-2]), -(-width // maps.shape[-1]))
    if stride < STRIDE:
        maps = F.avg_pool2d(maps, STRIDE // stride, ceil_mode=True)
        stride *= STRIDE // stride
    return F.normalize(maps.float(), dim=1) if unit else maps.float(), stride


@dataclass(frozen=True)
class _Drawn(Probe):
    """n random positions of a layer's output, seeded by the image's key; those whose target is ignored are not drawn.
    Equal arguments, equal positions.
    """

    layer: str
    num_classes: int
    per_image: int = 16
    seed: int = 0

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def _draw(self) -> str:
        return f"{self.layer}.k{self.num_classes}.n{self.per_image}.s{self.seed}"

    def _places(self, forward: ForwardOutputs, stride: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Of every image, rows and columns of at most n positions."""
        height, width = (-(-size // stride) for size in forward.images.shape[-2:])
        for i, key in enumerate(forward.keys):
            known = torch.ones(height, width, dtype=torch.bool)
            if forward.label_maps is not None:
                centre = forward.label_maps[i].cpu()[stride // 2 :: stride, stride // 2 :: stride]
                known[:] = False
                known[: centre.shape[0], : centre.shape[1]] = (centre >= 0) & (centre < self.num_classes)
            places = known.flatten().nonzero()[:, 0]
            order = torch.randperm(
                len(places), generator=image_generator(key, self.seed, torch.device("cpu"))
            )
            chosen = places[order[: self.per_image]]
            yield chosen // width, chosen % width


@dataclass(frozen=True)
class PixelFeatures(_Drawn):
    """(B, n, C) float32 features of n random positions, see `_Drawn`; rows of zeros where fewer are known.

    Args:
        unit: of length 1.
    """

    unit: bool = True

    @property
    def name(self) -> str:
        return f"pixel_features.{self._draw}" + ("" if self.unit else ".raw")

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        height, width = forward.images.shape[-2:]
        maps, stride = position_features(forward.outputs[self.layer], height, width, self.unit)
        drawn = maps.new_zeros((len(maps), self.per_image, maps.shape[1]))
        for i, (row, column) in enumerate(self._places(forward, stride)):
            drawn[i, : len(row)] = maps[i, :, row.to(maps.device), column.to(maps.device)].T
        return drawn


@dataclass(frozen=True)
class PixelClasses(_Drawn):
    """(B, n) int64 true classes at the positions that `PixelFeatures` of the same arguments draws, of the pixel in
    their middle; -1 where nothing is labelled or fewer are known.
    """

    @property
    def name(self) -> str:
        return f"pixel_classes.{self._draw}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        height, width = forward.images.shape[-2:]
        _, stride = position_features(forward.outputs[self.layer][:1, :1], height, width, unit=False)
        drawn = torch.full((len(forward.images), self.per_image), -1)
        labels = forward.label_maps
        if labels is not None:
            for i, (row, column) in enumerate(self._places(forward, stride)):
                middle = labels[i].cpu()[row * stride + stride // 2, column * stride + stride // 2]
                drawn[i, : len(row)] = middle.long()
        return drawn


def drawn_rows(layer: str, features: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What was drawn from N fit images, (N, n, C) and (N, n), as rows (M, C) and (M,), without those of zeros.

    Raises:
        ValueError: no features.
    """
    rows = features.flatten(0, 1)
    there = rows.any(1)
    if not there.any():
        raise ValueError(f"{layer}: no features of the fit set: every pixel is ignored, or the layer is dead")
    labels = torch.zeros(len(rows), dtype=torch.int64) if classes is None else classes.flatten()
    return rows[there], labels[there]


@dataclass(frozen=True, eq=False)
class PositionProbe(PixelProbe):
    """Score maps from the features of a layer's positions, bilinear between them.

    Args:
        layer: of the features.

    Attributes:
        unit: whether the features have length 1.
    """

    layer: str
    unit: ClassVar[bool] = True

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def scores(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    @abstractmethod
    def _score(self, rows: Tensor) -> Tensor:
        """(P, C) features of positions -> (P,)."""

    def _at_pixels(self, forward: ForwardOutputs) -> Tensor:
        """(B, 1, H, W) float32 scores."""
        height, width = forward.images.shape[-2:]
        maps, stride = position_features(forward.outputs[self.layer], height, width, self.unit)
        batch, channels, h, w = maps.shape
        rows = maps.permute(0, 2, 3, 1).reshape(-1, channels)
        scores = torch.cat([self._score(part).float() for part in rows.split(ROWS)])
        size = (h * stride, w * stride)
        spread = F.interpolate(
            scores.reshape(batch, 1, h, w), size=size, mode="bilinear", align_corners=False
        )
        return spread[..., :height, :width].to(forward.images.device)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        return self._at_pixels(forward)
