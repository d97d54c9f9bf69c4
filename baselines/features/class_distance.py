"""Base of the methods on Mahalanobis distances to class means at one layer.

    score = min_c d_c^2,    d_c^2 = (f - mu_c)' P (f - mu_c),    P = pinv of (1/N) sum_i (f_i - mu_yi)(f_i - mu_yi)'

f: the network's penultimate features (deepest feature layer, averaged over space); mu_c from true labels.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.base import PenultimateDetector, warn_few, whitened_means
from lsood.density.kernel import squared_distances


class ClassDistance(PenultimateDetector):
    """See the module; in float64. Images without a class (segmentation, detection) have one mean.

    Args:
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    needs_labels: ClassVar[bool] = True

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        what = "directions in which they do not vary are ignored, so far images may look near"
        warn_few(self.name, len(x), x.shape[1], what)
        self.whitener_, self.means_ = whitened_means(x, labels)

    def _anomaly(self, x: Tensor) -> Tensor:
        return squared_distances(x @ self.whitener_, self.means_).amin(1)
