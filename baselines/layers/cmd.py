"""Class-conditional Mahalanobis distance with one covariance per class (cMD of runia-core, on latent means there).

f: the output of a layer, averaged over space.

    score = min_c (f - mu_c)' pinv(S_c) (f - mu_c),   S_c = (1/N_c) sum_{i: y_i = c} (f_i - mu_c)(f_i - mu_c)'
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import PenultimateDetector, class_means
from lsood.density.kernel import covariance, whitener


class CMD(PenultimateDetector):
    """See the module; true labels. Components outside the span of a class's own images (fewer images than dimensions,
    dead channels) do not contribute to its distance: the pseudo-inverse is 0 there. A class with one image, whose
    distance would be 0 everywhere, is left out.

    Args:
        layer: another feature layer, or the latent layer (runia-core's choice); None: the deepest.
    """

    name: ClassVar[str] = "cmd"
    paper: ClassVar[str] = "Arnez Yagualca et al., runia-core 0.2"

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        means, classes = class_means(x, labels)
        self.means_: list[Tensor] = []
        self.whiteners_: list[Tensor] = []
        for c, mean in enumerate(means):
            own = whitener(covariance(x[classes == c] - mean))
            if own.shape[1]:
                self.means_.append(mean)
                self.whiteners_.append(own)
        if not self.means_:
            raise ValueError("cmd: no class of the fit set has two different images")

    def _anomaly(self, x: Tensor) -> Tensor:
        nearest = x.new_full((len(x),), torch.inf)
        for mean, own in zip(self.means_, self.whiteners_, strict=True):
            nearest = nearest.minimum(((x - mean) @ own).square().sum(1))
        return nearest
