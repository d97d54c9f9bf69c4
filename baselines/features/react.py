"""ReAct (Sun, Guo & Li, NeurIPS 2021): a(f) = min(f, c), then the energy of the logits.

c is a percentile of all entries of the penultimate features of in-distribution images, over images and channels
together, with linear interpolation. It comes from the validation images as in OpenOOD v1.5 (the paper and LaREx
take the training set, as does a detector that is fitted but not calibrated). The clip acts on pooled features.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from torch import Tensor

from baselines.features.rectified import Rectified, checked_percentile
from lsood.detector import Input


class ReAct(Rectified):
    """See the module. With an infinite clip it is the energy of the head, to the last bit.

    Args:
        percentile: 0 to 100; 100 clips at the largest activation seen.
    """

    name: ClassVar[str] = "react"
    paper: ClassVar[str] = "Sun et al., NeurIPS 2021"

    def __init__(self, percentile: float = 90.0) -> None:
        self.percentile = checked_percentile(percentile)

    def fit(self, train: Input) -> Self:
        super().fit(train)
        return self.calibrate(train)

    def calibrate(self, validation: Input) -> Self:
        """The clip, from held-out in-distribution features."""
        self.clip_ = float(np.percentile(self.features(validation).numpy(), self.percentile))
        return self

    def rectify(self, features: Tensor) -> Tensor:
        return features.clamp_max(self.clip_)
