"""GradNorm (Huang, Geng & Li, NeurIPS 2021): score = -||f||_1 ||p - 1/K||_1.

f: the network's penultimate features (deepest feature layer, averaged over space); p: softmax of the logits. The score
is minus the L1 norm of the gradient of KL(uniform || p) in the last layer's weights, which is the outer product of
p - 1/K and f; so no backward pass is needed. (OpenOOD's target sums to K, which gives K times this.)
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.base import HeadDetector


class GradNorm(HeadDetector):
    """See the module; temperature 1. The fit set only determines the number of features."""

    name: ClassVar[str] = "gradnorm"
    paper: ClassVar[str] = "Huang et al., NeurIPS 2021"
    formula: ClassVar[str] = "- L1 norm of f x L1 norm of (p - 1 / K), the closed form"
    checked: ClassVar[str] = "pytorch-ood; autograd"

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        """Nothing to fit: only the last layer is used."""

    def _anomaly(self, x: Tensor) -> Tensor:
        p = self._logits(x).softmax(1)
        return -x.abs().sum(1) * (p - 1 / p.shape[1]).abs().sum(1)
