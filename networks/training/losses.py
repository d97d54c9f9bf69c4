"""Cross-entropy, focal loss (Lin et al., ICCV 2017) and outlier exposure for images and pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255


def log_weights(counts: Tensor) -> Tensor:
    """1 / ln(1.1 + share) of classes, (K,) float32, from how often each is labelled, (K,): a rare class counts up to
    8 times as much as one that is everywhere (Li et al., BMVC 2019).
    """
    return 1 / (1.1 + counts.double() / counts.sum().clamp_min(1)).log().float()


def focal_loss(
    logits: Tensor, target: Tensor, gamma: float = 2.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean over labelled elements of (1 - p_t)^gamma * -log p_t; gamma 0 is cross-entropy.

    Args:
        logits: (B, K) or (B, K, H, W).
        target: (B,) or (B, H, W) int64; 255 is ignored and does not count in the mean (the LaREx code
            averages over it too).
        gamma: at least 0; how much less well-classified elements count.
        class_weights: (K,) how much elements of each class count in the mean; default alike.

    Returns:
        Scalar; 0 when nothing is labelled.

    Raises:
        ValueError: negative gamma.
    """
    if gamma < 0:
        raise ValueError(f"gamma of the focal loss must be at least 0, got {gamma}")
    labelled = target != IGNORE
    if gamma == 0 and class_weights is None:
        cross_entropy = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="sum")
        return cross_entropy / labelled.sum().clamp_min(1)
    cross_entropy = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    loss, total = cross_entropy, labelled.sum().clamp_min(1)
    if gamma > 0:
        # the lower end keeps the slope of x^gamma finite at 0 for gamma below 1
        missing = -torch.expm1(-cross_entropy)
        loss = missing.clamp_min(torch.finfo(logits.dtype).tiny) ** gamma * cross_entropy
    if class_weights is not None:
        weights = class_weights[target * labelled] * labelled
        loss, total = loss * weights, weights.sum().clamp_min(torch.finfo(logits.dtype).tiny)
    return loss.sum() / total


def outlier_exposure_loss(logits: Tensor) -> Tensor:
    """Mean over outliers of logsumexp(z) - mean(z): cross-entropy to the uniform distribution (Hendrycks et
    al., ICLR 2019).

    Args:
        logits: (B, K) or (B, K, H, W) of outliers.

    Returns:
        Scalar, at least log K; log K where every class is equally likely.
    """
    return (logits.logsumexp(1) - logits.mean(1)).mean()
