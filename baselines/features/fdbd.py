"""Fast decision-boundary detector (Liu & Qin, ICML 2024): the mean distance to the other classes' decision
boundaries over the distance to the mean of the fit images.

    score = -1/(K - 1) sum_{c != y^} (z_y^ - z_c) / ||w_y^ - w_c|| / ||f - mu||,   y^ = argmax_k z_k

f: the network's penultimate features (deepest feature layer, averaged over space); z, w:
logits and weights of the last linear layer; mu: mean of f over the fit images.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import TINY, HeadDetector


class FDBD(HeadDetector):
    """See the module. OpenOOD leaves 1/(K - 1) out (same ranks). Norms are at least 1e-12, for classes with equal
    weights and an image at the mean.
    """

    name: ClassVar[str] = "fdbd"
    paper: ClassVar[str] = "Liu & Qin, ICML 2024"
    formula: ClassVar[str] = "- mean distance to decision boundaries / distance to the mean feature"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood; a float64 loop"

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        if len(self.weight_) < 2:
            raise ValueError("fdbd needs at least two classes, the last layer has one")
        self.mean_ = x.mean(0)
        distances = [(self.weight_ - row).norm(dim=1) for row in self.weight_]
        self.between_ = torch.stack(distances).clamp_min(TINY)

    def _anomaly(self, x: Tensor) -> Tensor:
        z = self._logits(x)
        best, predicted = z.max(1, keepdim=True)
        boundaries = ((best - z) / self.between_[predicted[:, 0]]).sum(1) / (z.shape[1] - 1)
        return -boundaries / (x - self.mean_).norm(dim=1).clamp_min(TINY)
