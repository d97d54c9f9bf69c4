"""Maximum logit (Hendrycks et al., ICML 2022): score = -max_k z_k."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.logits import LogitDetector


class MaxLogit(LogitDetector):
    """Minus the largest logit. Segmentation: the mean over all pixels (the paper scores pixels).

    Example:
        >>> import torch
        >>> MaxLogit().score(torch.tensor([[1.0, 3.0]])).item()
        -3.0
    """

    name: ClassVar[str] = "max-logit"
    paper: ClassVar[str] = "Hendrycks et al., ICML 2022"
    pixel_score: ClassVar[str | None] = "max_logit"

    def _anomaly(self, z: Tensor) -> Tensor:
        return -z.amax(1)
