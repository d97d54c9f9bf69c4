"""NCI, detection by neural collapse (Liu & Qin, CVPR 2025): the features' angle to the predicted class's weights, and
their size.

    score = -w_y^ . (f - mu) / ||f - mu|| - alpha ||f||_1,    y^ = argmax_k z_k

f: the network's penultimate features (deepest feature layer, averaged over space); z, w: logits and weights of the last
linear layer; mu: mean of f over the fit images. The first term is the cosine times ||w_y^||.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.base import TINY, HeadDetector


class NCI(HeadDetector):
    """See the module. ||f - mu|| is at least 1e-12, for an image at the mean.

    Args:
        alpha: weight of the features' size, >= 0; OpenOOD's 1e-4 (it also tries 1e-3, 1e-2 and 1e-1 on OoD images;
            pytorch-ood has 0).
    """

    name: ClassVar[str] = "nci"
    paper: ClassVar[str] = "Liu & Qin, CVPR 2025"
    formula: ClassVar[str] = (
        "- w of the predicted class . (f - mu) / |f - mu| - .0001 x L1 norm of f, mu the mean of f"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood 0.4.0, a float64 loop"

    def __init__(self, alpha: float = 1e-4) -> None:
        if not alpha >= 0:
            raise ValueError(f"alpha must not be negative, got {alpha}")
        self.alpha = alpha

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.mean_ = x.mean(0)

    def _anomaly(self, x: Tensor) -> Tensor:
        centred = x - self.mean_
        along = (centred * self.weight_[self._logits(x).argmax(1)]).sum(1)
        return -along / centred.norm(dim=1).clamp_min(TINY) - self.alpha * x.abs().sum(1)
