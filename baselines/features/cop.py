"""CoP and CoRP, kernel PCA for the cosine and the cosine-Gaussian kernel (Fang et al., NeurIPS 2024).

    score = ||(I - U U')(phi(f) - mu)||
    CoP:  phi(f) = f / ||f||
    CoRP: phi(f) = sqrt(2 / M) cos(O f / ||f|| + u),    O_ij ~ N(0, 2 gamma),    u_i ~ U(0, 2 pi)

f: the network's penultimate features (deepest feature layer, averaged over space); mu: mean of phi(f) over the fit
images; U: their first principal axes, as many as explain a share r of the variance; O (M, D) and u (M,): drawn once, so
that inner products of phi approximate the Gaussian kernel exp(-gamma ||f^ - g^||^2) of unit-length features f^ and g^.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import PenultimateDetector, warn_few
from lsood.density.kernel import CHUNK
from lsood.density.pca import principal_axes


class CoP(PenultimateDetector):
    """CoP: see the module.

    Args:
        variance: r in (0, 1); the authors' for CIFAR-10 with a ResNet-18 (.99 for ImageNet with a ResNet-50).
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    name: ClassVar[str] = "cop"
    paper: ClassVar[str] = "Fang et al., NeurIPS 2024"
    formula: ClassVar[str] = "length of f / |f| outside the principal axes with 85 % of its variance"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "a float64 SVD"
    unit_length: ClassVar[bool] = True

    def __init__(self, variance: float = 0.85, layer: str | None = None) -> None:
        if not 0 < variance < 1:
            raise ValueError(f"variance must lie between 0 and 1, got {variance}")
        self.variance, self.layer = variance, layer

    def _map(self, x: Tensor) -> Tensor:
        """phi of unit-length features (N, D)."""
        return x

    def _mapped(self, x: Tensor, width: int) -> Iterator[Tensor]:
        return map(self._map, x.split(max(1, CHUNK // width)))

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        width = self._map(x[:1]).shape[1]
        what = f"directions without any of their {width} features' variance count as residual"
        warn_few(self.name, len(x), width, what)
        total, scatter = torch.zeros(width).double(), torch.zeros(width, width).double()
        for part in self._mapped(x, width):
            total += part.sum(0)
        self.mean_ = total / len(x)
        for part in self._mapped(x, width):
            centred = part - self.mean_
            scatter.addmm_(centred.T, centred)
        self.axes_ = principal_axes(scatter, self.variance, self.name)

    def _anomaly(self, x: Tensor) -> Tensor:
        parts = (part - self.mean_ for part in self._mapped(x, len(self.mean_)))
        return torch.cat([(part - part @ self.axes_ @ self.axes_.T).norm(dim=1) for part in parts])


class CoRP(CoP):
    """CoRP: see the module. O and u are fitted attributes, so that a saved detector does not draw them again.

    Args:
        variance: r in (0, 1). gamma: > 0, of the Gaussian kernel. features: M. The authors' for CIFAR-10 with a
            ResNet-18 (.5, 3 and 4096 for ImageNet with a ResNet-50); a fit of N images grows as N M^2 + M^3.
        seed: of O and u.
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    name: ClassVar[str] = "corp"
    paper: ClassVar[str] = "Fang et al., NeurIPS 2024"
    formula: ClassVar[str] = "cop on 2048 random Fourier features of f / |f|, gamma 2, 80 % of the variance"
    checked: ClassVar[str] = "a float64 SVD, the Gaussian kernel that it approximates"

    def __init__(
        self,
        variance: float = 0.8,
        gamma: float = 2.0,
        features: int = 2048,
        seed: int = 0,
        layer: str | None = None,
    ) -> None:
        super().__init__(variance, layer)
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, got {gamma}")
        if features < 2:
            raise ValueError(f"features must be at least 2, got {features}")
        self.gamma, self.features, self.seed = gamma, features, seed

    def _draw(self, width: int) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(self.seed)
        normal = torch.randn(self.features, width, dtype=torch.float64, generator=random)
        phases = 2 * math.pi * torch.rand(self.features, dtype=torch.float64, generator=random)
        return math.sqrt(2 * self.gamma) * normal, phases

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.frequencies_, self.phases_ = self._draw(x.shape[1])
        super()._learn(x, labels)

    def _map(self, x: Tensor) -> Tensor:
        return math.sqrt(2 / len(self.phases_)) * (x @ self.frequencies_.T + self.phases_).cos()
