"""KL matching (Hendrycks et al., ICML 2022): score = min_k KL(p || d_k).

p: softmax of the logits; d_k: mean p of the in-distribution validation images predicted as class k. For a class
that is never predicted the paper's d_k is one-hot; its divergence is infinite for any finite logits, so the
class is never the nearest and is left out.
"""

from __future__ import annotations

import math
from typing import ClassVar, Self

import torch
from torch import Tensor

from baselines.logits.base import LogitDetector
from lsood.detector import Input


class KLMatching(LogitDetector):
    """See the module. KL(p || d_k) = sum p log p - p . log d_k for all k by one matrix product, with log d_k
    from log-sum-exp, so that no probability underflows to 0. True labels are not used.
    """

    name: ClassVar[str] = "kl-matching"
    paper: ClassVar[str] = "Hendrycks et al., ICML 2022"
    formula: ClassVar[str] = "min over classes of KL(p, mean p of the images predicted as that class)"
    fitted_on: ClassVar[str] = "validation"
    checked: ClassVar[str] = "pytorch-ood; scipy's relative entropy"

    def calibrate(self, validation: Input) -> Self:
        """Learn the class distributions from Activations, or from validation logits (N, K)."""
        log_p = self._logits(validation, "the validation logits").log_softmax(1)
        predicted = log_p.argmax(1)
        of_class = [log_p[predicted == k] for k in predicted.unique()]
        self.log_distributions_ = torch.stack([part.logsumexp(0) - math.log(len(part)) for part in of_class])
        return self

    def _anomaly(self, z: Tensor) -> Tensor:
        if not hasattr(self, "log_distributions_"):
            raise ValueError("kl-matching: calibrate(validation) first")
        log_p = z.log_softmax(1)
        p = log_p.exp()
        divergences = (p * log_p).sum(1, keepdim=True) - p @ self.log_distributions_.T
        return divergences.amin(1)
