"""From a feature map to a latent vector: the reductions of LaREx, for any input size."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

AVGPOOL_GRID = 4


def fullmean(maps: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., C): mean over the whole map."""
    return maps.mean(dim=(-2, -1))


def mean(maps: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., C*H): mean over the width, as the reference's ``mean``."""
    return maps.mean(dim=-1).flatten(-2)


def avgpool(maps: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., C*h*w): adaptive average pooling to at most 4 x 4 cells.

    The reference hard-codes kernels for inputs of 32, 64 and 128 pixels; a fixed grid serves every size.
    """
    lead = maps.shape[:-3]
    grid = (min(AVGPOOL_GRID, maps.shape[-2]), min(AVGPOOL_GRID, maps.shape[-1]))
    pooled = F.adaptive_avg_pool2d(maps.flatten(0, -4) if len(lead) > 1 else maps, grid)
    return pooled.reshape(*lead, -1)


def raw(maps: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., C*H*W): every activation."""
    return maps.flatten(-3)


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "fullmean": fullmean,
    "mean": mean,
    "avgpool": avgpool,
    "raw": raw,
}


def reduce(features: Tensor, reduction: str = "fullmean", lead: int = 1) -> Tensor:
    """Reduce feature maps (*lead dims, C, H, W) to vectors; vectors (*lead dims, D) pass through.

    Raises:
        ValueError: unknown reduction, or features of another rank.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"unknown reduction {reduction!r}; known: {', '.join(REDUCTIONS)}")
    if features.ndim == lead + 1:
        return features
    if features.ndim != lead + 3:
        raise ValueError(
            f"features must have {lead + 1} or {lead + 3} dimensions, got {tuple(features.shape)}"
        )
    return REDUCTIONS[reduction](features)
