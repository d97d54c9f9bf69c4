"""Cross-entropy and focal loss (Lin et al., ICCV 2017) for images and pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

IGNORE = 255


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean over labelled elements of (1 - p_t)^gamma * -log p_t; gamma 0 is cross-entropy.

    Args:
        logits: (B, K) or (B, K, H, W).
        target: (B,) or (B, H, W) int64; 255 is ignored and does not count in the mean (the reference averages
            over it too).

    Returns:
        Scalar; 0 when nothing is labelled.
    """
    cross_entropy = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    labelled = (target != IGNORE).sum().clamp_min(1)
    if gamma == 0:
        return cross_entropy.sum() / labelled
    return ((1 - (-cross_entropy).exp()).clamp_min(0) ** gamma * cross_entropy).sum() / labelled
