"""SCALE (Xu et al., ICLR 2024): a(f) = f exp(sum(f) / sum of the k = D - round(D q) largest).

f: penultimate features of one image, averaged over space; the score is the energy of the logits that the last layer
gives for a(f). No feature is set to 0. At q = 0 the factor is e, so SCALE equals ASH-S there, not the energy of the
unchanged features.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.ash import sharpness
from baselines.features.rectified import Rectified, checked_percentile, largest


class SCALE(Rectified):
    """See the module.

    Args:
        percentile: q in percent, 0 to 100; OpenOOD's default.
    """

    name: ClassVar[str] = "scale"
    paper: ClassVar[str] = "Xu et al., ICLR 2024"
    formula: ClassVar[str] = "f exp(sum f / sum of the 15 % largest)"
    checked: ClassVar[str] = "pytorch-ood; a float64 loop; `ash-s` with all entries"

    def __init__(self, percentile: float = 85.0) -> None:
        self.percentile = checked_percentile(percentile)

    def rectify(self, features: Tensor) -> Tensor:
        kept = largest(features, self.percentile)[0]
        return features * sharpness(kept, features.sum(1, keepdim=True))
