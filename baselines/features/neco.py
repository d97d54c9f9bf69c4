"""NECO, detection by neural collapse (Ben Ammar et al., ICLR 2024): the share of the features' length that lies in
their principal space.

    score = -||P' s|| / ||s||,    s = (f - mean) / std per feature

f: the network's penultimate features (deepest feature layer, averaged over space); mean, std: over the fit images; P:
the principal axes of s, as many as explain at least 90 % of its variance. Numerator and denominator are of the same s;
some ports fit P on s and project f.

The authors multiply the ratio by max_k z_k for transformers (ViT, Swin, DeiT) and not for ResNets, and for Swin and
DeiT divide by ||f|| in place of ||s||; here ``max_logit`` does the first, and the second is left out.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.base import TINY, HeadDetector, PenultimateDetector, warn_few
from lsood import Head
from lsood.density.kernel import covariance
from lsood.density.pca import principal_axes
from lsood.detector import Input
from lsood.probes.image import ModelInfo


class NECO(HeadDetector):
    """See the module. A feature without any spread is only centred; ||s|| is at least 1e-12.

    Args:
        variance: share that the principal space explains, in (0, 1).
        max_logit: whether the ratio is multiplied by the largest logit, as the authors do for transformers; needs a
            linear last layer. ModelInfo does not tell a transformer from a convolutional network, so it is never set by
            itself. A negative largest logit turns the order, as in the paper.
    """

    name: ClassVar[str] = "neco"
    paper: ClassVar[str] = "Ben Ammar et al., ICLR 2024"
    formula: ClassVar[str] = (
        "- share of the length of standardised f in the principal axes with 90 % of its variance"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "scikit-learn's StandardScaler and PCA"

    def __init__(self, variance: float = 0.9, max_logit: bool = False) -> None:
        if not 0 < variance < 1:
            raise ValueError(f"variance must lie between 0 and 1, got {variance}")
        self.variance, self.max_logit = variance, max_logit

    def attach(self, model_info: ModelInfo) -> Self:
        return super().attach(model_info) if self.max_logit else PenultimateDetector.attach(self, model_info)

    def fit(self, train: Input, labels: Tensor | None = None, head: Head | None = None) -> Self:
        if self.max_logit:
            return super().fit(train, labels, head)
        return PenultimateDetector.fit(self, train, labels)

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        what = f"of their {x.shape[1]} features' axes some have no variance, so others may lie outside"
        warn_few(self.name, len(x), x.shape[1], what)
        self.mean_, spread = x.mean(0), x.std(0, correction=0)
        self.scale_ = spread.where(spread > TINY, 1.0)
        self.axes_ = principal_axes(covariance(self._standardised(x)), self.variance, self.name)

    def _standardised(self, x: Tensor) -> Tensor:
        return (x - self.mean_) / self.scale_

    def _anomaly(self, x: Tensor) -> Tensor:
        s = self._standardised(x)
        ratio = (s @ self.axes_).norm(dim=1) / s.norm(dim=1).clamp_min(TINY)
        return -ratio * self._logits(x).amax(1) if self.max_logit else -ratio
