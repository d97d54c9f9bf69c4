"""Simplified Hopfield energy (Zhang et al., ICLR 2023): score = -<f, S_y^>, y^ = argmax_k z_k.

f: the network's penultimate features (deepest feature layer, averaged over space); z: logits.
S_c: mean feature of the fit images of class c that are classified correctly. A class without any gets the mean of
all fit images (the paper does not specify it; other implementations raise an error).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.base import HeadDetector


class SHE(HeadDetector):
    """See the module; the inner product, the default in the paper and in OpenOOD (no Euclidean or cosine variant)."""

    name: ClassVar[str] = "she"
    paper: ClassVar[str] = "Zhang et al., ICLR 2023"
    formula: ClassVar[str] = "- inner product with the mean of the predicted class's correct images"
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "pytorch-ood"
    needs_labels: ClassVar[bool] = True

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        predicted = self._logits(x).argmax(1)
        right = predicted == labels
        self.patterns_ = x.mean(0).repeat(len(self.weight_), 1)
        for c in predicted[right].unique():
            self.patterns_[c] = x[right & (predicted == c)].mean(0)

    def _anomaly(self, x: Tensor) -> Tensor:
        return -(x * self.patterns_[self._logits(x).argmax(1)]).sum(1)
