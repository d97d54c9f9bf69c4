"""VRA, variational rectified activation (Xu et al., NeurIPS 2023): abnormally low and high features are taken out.

    "zero":  a(f) = 0 where f < low, high where f > high, else f    the paper's, and the authors' code
    "clip":  a(f) = min(max(f, low), high)                           OpenOOD, pytorch-ood

f: penultimate features of one image, averaged over space; the score is the energy of the logits that the last layer
gives for a(f). low and high are percentiles of the fit images' features, of every dimension by itself (authors,
pytorch-ood) or of all features together (OpenOOD, which takes validation images).
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from baselines.features.rectified import Rectified, checked_percentile
from lsood.detector import Input

FORMS = ("zero", "clip")


class VRA(Rectified):
    """See the module. The defaults are the authors' for CIFAR-10; for ImageNet they set the bounds themselves, .5 and
    1. OpenOOD's: ``vra@form=clip,low=10,high=90,per_dimension=False``; pytorch-ood's: ``vra@form=clip,low=1,high=99``.
    With infinite bounds the score is exactly the energy of the head. There is no VRA+ or VRA++.

    Args:
        form: "zero" or "clip".
        low, high: percentiles, 0 to 100.
        per_dimension: bounds of every dimension by itself; False: two bounds for all.
    """

    name: ClassVar[str] = "vra"
    paper: ClassVar[str] = "Xu et al., NeurIPS 2023"
    formula: ClassVar[str] = "energy of f, 0 below the 60th and cut at the 90th percentile of every dimension"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood 0.4 (clip); float64 loop"
    argument: ClassVar[str] = "form"

    def __init__(
        self, form: str = "zero", low: float = 60.0, high: float = 90.0, per_dimension: bool = True
    ) -> None:
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
        self.form, self.per_dimension = form, per_dimension
        self.low, self.high = checked_percentile(low, "low"), checked_percentile(high, "high")
        if low > high:
            raise ValueError(f"low must not exceed high, got {low} and {high}")

    def fit(self, train: Input) -> Self:
        super().fit(train)
        features = self.features(train, self.weight_.shape[1])
        bounds = np.percentile(
            features.numpy(), [self.low, self.high], axis=0 if self.per_dimension else None
        )
        self.low_, self.high_ = (torch.as_tensor(bound).expand(features.shape[1]).clone() for bound in bounds)
        return self

    def rectify(self, features: Tensor) -> Tensor:
        if self.form == "clip":
            return features.clamp(self.low_, self.high_)
        return features.where(features >= self.low_, 0.0).minimum(self.high_)
