"""Padding for networks whose image sides must be multiples of a stride."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to(x: Tensor, stride: int) -> Tensor:
    """(B, C, H, W) with rows and columns repeated at the lower and right edge up to a multiple of
    ``stride``.
    """
    height, width = x.shape[-2:]
    missing = (-width % stride, -height % stride)
    return F.pad(x, (0, missing[0], 0, missing[1]), mode="replicate") if any(missing) else x
