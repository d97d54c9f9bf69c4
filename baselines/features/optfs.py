"""OptFS, optimal feature shaping (Zhao et al., ICLR 2024): a(f)_j = theta_b f_j, b the bin that holds f_j.

    theta_b ~ mean over fit images of the sum over j in b of w_y^j f_j,    |theta| = 1000,    y^ = argmax_k z_k

f: penultimate features of one image, averaged over space; w, z: weights and logits of the last layer. 100 bins
[left, right) of one width between the .1 % and the 99.9 % quantile of all the fit images' features; outside of them
a(f)_j = 0. theta is the shaping by bins that raises the fit images' largest logits most.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from baselines.features.rectified import Rectified
from lsood.density.kernel import CHUNK
from lsood.detector import Input

BINS, TAIL, LENGTH = 100, 1e-3, 1000.0
FORMS = ("energy", "vanilla")


class OptFS(Rectified):
    """See the module. With theta = 1 in bins that hold all features, "energy" is exactly the energy of the head.

    Args:
        form: "energy" of the logits of a(f), the paper's variant E; "vanilla": -<w_y^, a(f)>, y^ of the unchanged f,
            its variant V and the authors' default.
    """

    name: ClassVar[str] = "optfs"
    paper: ClassVar[str] = "Zhao et al., ICLR 2024"
    formula: ClassVar[str] = (
        "energy of theta_b f, theta of 100 bins b of feature values that raise the largest logits most"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "float64 loop"
    argument: ClassVar[str] = "form"

    def __init__(self, form: str = "energy") -> None:
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
        self.form = form

    def fit(self, train: Input) -> Self:
        super().fit(train)
        features = self.features(train, self.weight_.shape[1])
        low, high = np.quantile(features.numpy(), [TAIL, 1 - TAIL])
        if not low < high:
            raise ValueError(
                f"optfs: nearly all features of the fit set are {low:g}; there is nothing to shape"
            )
        self.edges_ = torch.from_numpy(low + (high - low) / BINS * np.arange(BINS + 1))
        total = features.new_zeros(BINS + 2)
        for part in features.split(max(1, CHUNK // features.shape[1])):
            contribution = self._weight_of_predicted(part) * part
            total += torch.bincount(self._bin(part).flatten(), contribution.flatten(), minlength=BINS + 2)
        theta = total[1:-1]
        self.theta_ = LENGTH * theta / theta.norm()
        return self

    def _bin(self, features: Tensor) -> Tensor:
        """(N, D) int64: 1 to 100; 0 and 101 lie outside."""
        return torch.bucketize(features, self.edges_, right=True)

    def _weight_of_predicted(self, features: Tensor) -> Tensor:
        return self.weight_[(features @ self.weight_.T + self.bias_).argmax(1)]

    def rectify(self, features: Tensor) -> Tensor:
        outside = self.theta_.new_zeros(1)
        return torch.cat([outside, self.theta_, outside])[self._bin(features)] * features

    def score(self, x: Input) -> Tensor:
        if self.form == "energy":
            return super().score(x)
        features = self.features(x, self.weight_.shape[1])
        return -(self._weight_of_predicted(features) * self.rectify(features)).sum(1)
