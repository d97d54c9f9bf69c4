"""Deep deterministic uncertainty's density (Mukhoti et al., CVPR 2023): score = -log sum_c (1/K) N(f; mu_c, S_c).

f: the network's penultimate features (deepest feature layer, averaged over space). One full Gaussian per class from
true labels, the same prior 1/K for all (as in the authors' code; the paper has N_c / N). The paper trains with
spectral normalisation (``resnet18-sn`` here); the density applies to any network.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import PenultimateDetector, class_means
from lsood.density.kernel import covariance


class DDU(PenultimateDetector):
    """See the module. Regularisation: ``ridge`` times the mean within-class variance of a feature is added to
    every diagonal, always (the authors raise a jitter from 0 until all Cholesky factors exist, which depends on
    rounding). Scores in nats.

    Args:
        ridge: > 0, relative.
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    name: ClassVar[str] = "ddu"
    paper: ClassVar[str] = "Mukhoti et al., CVPR 2023"
    formula: ClassVar[str] = "minus log of a Gaussian per class, equal weights"
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "pytorch-ood; scipy's densities"
    needs_labels: ClassVar[bool] = True

    def __init__(self, ridge: float = 1e-6, layer: str | None = None) -> None:
        if not ridge > 0:
            raise ValueError(f"ridge must be positive, got {ridge}")
        self.ridge, self.layer = ridge, layer

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.means_, classes = class_means(x, labels)
        spread = (x - self.means_[classes]).square().mean()
        if spread == 0:
            raise ValueError("ddu: the images of each class are all the same, there is no density")
        ridge = self.ridge * float(spread) * torch.eye(x.shape[1], dtype=torch.float64)
        self.factors_ = torch.stack(
            [
                torch.linalg.cholesky(covariance(x[classes == c] - mean) + ridge)
                for c, mean in enumerate(self.means_)
            ]
        )

    def _anomaly(self, x: Tensor) -> Tensor:
        log_density = []
        for mean, factor in zip(self.means_, self.factors_, strict=True):
            z = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False)
            log_density.append(-0.5 * z.square().sum(0) - factor.diagonal().log().sum())
        constant = 0.5 * x.shape[1] * math.log(2 * math.pi) + math.log(len(self.means_))
        return constant - torch.stack(log_density).logsumexp(0)
