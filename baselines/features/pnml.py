"""pNML, predictive normalized maximum likelihood (Bibas, Feder & Hassner, NeurIPS 2021): score = the regret

    log sum_i p_i / (p_i + (1 - p_i) p_i^g) / log K,    g = t / (1 + t),    t = f^' pinv(X'X) f^

f^ = f / ||f||, f the network's penultimate features (deepest feature layer, averaged over space); X: f^ of the fit
images, one a row; p: softmax of the logits that the last layer, with its bias, gives for f^, not for f.
Computed as log1p(sum_i (1 - p_i) (1 - p_i^g) q_i / (1 - p_i + q_i)), q_i = p_i^(1 - g), which is the same sum less
sum_i p_i = 1: no term is negative, so a small regret keeps its digits, and p_i = 0 is no division by 0.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.features.base import HeadDetector, warn_few
from lsood.density.kernel import covariance, whitener


class PNML(HeadDetector):
    """See the module. The pseudo-inverse, the authors' too where X'X is singular, ignores directions in which no fit
    image lies: features that lie only there have regret 0.
    """

    name: ClassVar[str] = "pnml"
    paper: ClassVar[str] = "Bibas et al., NeurIPS 2021"
    formula: ClassVar[str] = (
        "log sum of p / (p + (1 - p) p^g) / log K on f / |f|, g from its leverage among fit images"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood 0.4; float64 loop"

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        if len(self.weight_) < 2:
            raise ValueError("pnml needs at least two classes, the last layer has one")
        what = "directions in which none of them lies are ignored, so far images may look near"
        warn_few(self.name, len(x), x.shape[1], what)
        self.whitener_ = whitener(covariance(normalize(x))) / len(x) ** 0.5

    def _anomaly(self, x: Tensor) -> Tensor:
        unit = normalize(x)
        leverage = (unit @ self.whitener_).square().sum(1, keepdim=True)
        g = leverage / (1 + leverage)
        p = self._logits(unit).softmax(1)
        q = p.pow(1 - g)
        excess = (1 - p) * (1 - p.pow(g)) * q / (1 - p + q)
        return torch.log1p(excess.sum(1)) / torch.tensor(float(p.shape[1])).double().log()
