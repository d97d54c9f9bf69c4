"""Maximum logit (Hendrycks et al., ICML 2022): score = -max_k z_k.

z: the logits.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.logits.base import LogitDetector, checked_over
from lsood.probes.logit_scores import max_logit


class MaxLogit(LogitDetector):
    """Minus the largest logit. Segmentation: the mean over all pixels (the paper scores pixels). Detection: over
    detections.

    Args:
        over: boxes of an object detector, see `LogitDetector`.

    Example:
        >>> import torch
        >>> MaxLogit().score(torch.tensor([[1.0, 3.0]])).item()
        -3.0
    """

    name: ClassVar[str] = "max-logit"
    paper: ClassVar[str] = "Hendrycks et al., ICML 2022"
    formula: ClassVar[str] = "- max z"
    checked: ClassVar[str] = "pytorch-ood"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    logit_score: ClassVar[str | None] = "max_logit"

    def __init__(self, over: str | None = None) -> None:
        self.over = checked_over(over)

    def _anomaly(self, z: Tensor) -> Tensor:
        return max_logit(z)
