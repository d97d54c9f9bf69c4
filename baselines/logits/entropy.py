"""Entropy of the softmax in nats: score = -sum_k p_k log p_k (as a detector: Chan et al., ICCV 2021).

p: softmax of the logits.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.logits.base import LogitDetector, checked_over
from lsood.probes.logit_scores import softmax_entropy


class Entropy(LogitDetector):
    """Entropy of the predicted distribution, in [0, log K]. Segmentation: the mean over all pixels. Detection: over
    detections.

    Chan et al. also train for high entropy on outliers and aggregate segments; here only their score is used.

    Args:
        over: boxes of an object detector, see `LogitDetector`.

    Example:
        >>> import torch
        >>> round(Entropy().score(torch.zeros(1, 4)).item(), 4)  # log 4
        1.3863
    """

    name: ClassVar[str] = "entropy"
    paper: ClassVar[str] = "Chan et al., ICCV 2021"
    formula: ClassVar[str] = "- sum p log p"
    checked: ClassVar[str] = "pytorch-ood; torch's categorical distribution"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    logit_score: ClassVar[str | None] = "entropy"

    def __init__(self, over: str | None = None) -> None:
        self.over = checked_over(over)

    def _anomaly(self, z: Tensor) -> Tensor:
        return softmax_entropy(z)
