"""LTS, logit scaling (Djurisic, Liu & Nikolic, 2024): score = -log sum_k exp(S(f) z_k).

    S(f) = (s1 / s2)^2,    s1 = sum_j relu(f_j),    s2 = sum of the k = D - round(D q) largest relu(f_j)

f: penultimate features of one image, averaged over space; z: its logits, from f as it is. The logits are multiplied by
S, as in pytorch-ood and in the readme of the authors' code, whose function returns S alone. The ReLU is of the code,
not of the paper; it matters only to networks with negative features. S = 1 where relu(f) is 0.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.ash import mass_ratio
from baselines.features.rectified import Rectified, checked_percentile, largest


class LTS(Rectified):
    """See the module. On non-negative features q = 0 gives the energy of the head.

    Args:
        percentile: q in percent, 0 to 100; 95 in the paper (its p = 5 %) and in pytorch-ood, 65 the code's default.
    """

    name: ClassVar[str] = "lts"
    paper: ClassVar[str] = "Djurisic et al., 2024"
    formula: ClassVar[str] = "energy of z (sum of relu(f) / sum of its 5 % largest)^2"
    checked: ClassVar[str] = "pytorch-ood 0.4; float64 loop"

    def __init__(self, percentile: float = 95.0) -> None:
        self.percentile = checked_percentile(percentile)

    def logits(self, features: Tensor) -> Tensor:
        positive = features.clamp_min(0)
        kept = largest(positive, self.percentile)[0]
        return super().logits(features) * mass_ratio(kept, positive.sum(1, keepdim=True)).square()
