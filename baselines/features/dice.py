"""DICE (Sun & Li, ECCV 2022): the energy of logits from the last layer's most contributing weights.

    z = (W * M) f + b,    M = [V > p-th percentile of V],    V_kj = W_kj mean_train(f_j)

f: the network's penultimate features (deepest feature layer, averaged over space); W, b: the last linear layer;
score = -log sum_k exp z_k. The percentile is over all K D contributions, with linear interpolation. One matrix
product with masked weights: no (N, K, D) tensor.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from baselines.features.react import ReAct
from baselines.features.rectified import Rectified, checked_percentile
from lsood.detector import Input


class DICE(Rectified):
    """See the module. With p = 0 nothing is masked, and the score is exactly the energy of the head.

    Args:
        p: percent of the weights that are left out, 0 to 100.
    """

    name: ClassVar[str] = "dice"
    paper: ClassVar[str] = "Sun & Li, ECCV 2022"
    formula: ClassVar[str] = "only the 10 % of weights that contribute most"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood; a float64 loop; energy with all weights"

    def __init__(self, p: float = 90.0) -> None:
        self.p = checked_percentile(p, "p")

    def fit(self, train: Input) -> Self:
        super().fit(train)
        if self.p > 0:
            contribution = self.weight_ * self.features(train, self.weight_.shape[1]).mean(0)
            kept = contribution > float(np.percentile(contribution.numpy(), self.p))
            self.weight_ = self.weight_.where(kept, 0.0)
        return self


class DICEReAct(DICE, ReAct):
    """DICE's weights on ReAct's clipped features; the contributions are computed from features before clipping."""

    name: ClassVar[str] = "dice-react"
    formula: ClassVar[str] = "both: min(f, 90th percentile), then the 10 % of weights"
    fitted_on: ClassVar[str] = "fit set; validation"
    checked: ClassVar[str] = "a float64 loop; `dice` and `react` where the other part is off"

    def __init__(self, p: float = 90.0, percentile: float = 90.0) -> None:
        DICE.__init__(self, p)
        ReAct.__init__(self, percentile)
