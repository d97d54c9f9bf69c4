"""ReAct (Sun, Guo & Li, NeurIPS 2021): a(f) = min(f, c), score = -log sum_k exp z_k(a(f)).

f: the network's penultimate features (deepest feature layer, averaged over space); z: logits of the last layer. c is
a percentile of all entries of f of in-distribution images, over images and channels together, with linear
interpolation. It comes from the validation images as in OpenOOD v1.5 (the paper and LaREx take the training set, as
does a detector that is fitted but not calibrated). The clip acts on pooled features.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from torch import Tensor

from baselines.features.rectified import Rectified, checked_percentile
from lsood.detector import Input


class ReAct(Rectified):
    """See the module. With an infinite clip the score is exactly the energy of the head.

    Args:
        percentile: 0 to 100; 100 clips at the largest activation seen.
    """

    name: ClassVar[str] = "react"
    paper: ClassVar[str] = "Sun et al., NeurIPS 2021"
    formula: ClassVar[str] = "min(f, 90th percentile)"
    fitted_on: ClassVar[str] = "validation"
    checked: ClassVar[str] = "pytorch-ood; a float64 loop; energy where the clip is infinite"

    def __init__(self, percentile: float = 90.0) -> None:
        self.percentile = checked_percentile(percentile)

    def fit(self, train: Input) -> Self:
        super().fit(train)
        return self.calibrate(train)

    def calibrate(self, validation: Input) -> Self:
        """Compute the clip from held-out in-distribution features."""
        self.clip_ = float(np.percentile(self.features(validation).numpy(), self.percentile))
        return self

    def rectify(self, features: Tensor) -> Tensor:
        return features.clamp_max(self.clip_)
