"""Relative Mahalanobis distance (Ren et al., ICML-W 2021): score = min_c d_c^2 - d_0^2.

f: the network's penultimate features (deepest feature layer, averaged over space).
d_c: Mahalanobis distance to the mean of class c under the tied covariance (1/N) sum_i (f_i - mu_yi)(f_i - mu_yi)';
d_0: to the mean of all fit images under their covariance (1/N) sum_i (f_i - mu)(f_i - mu)'.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.base import PenultimateDetector, class_means, warn_few
from lsood.density.kernel import covariance, squared_distances, whitener
from lsood.probes.image import ModelInfo
from lsood.tasks import TASKS


class RelativeMahalanobis(PenultimateDetector):
    """See the module. True labels; pseudo-inverses in float64, both covariances divided by N. With one class the
    score is 0 everywhere, so networks for segmentation and detection are refused.

    Args:
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    name: ClassVar[str] = "relative-mahalanobis"
    paper: ClassVar[str] = "Ren et al., ICML-W 2021"
    needs_labels: ClassVar[bool] = True

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    def attach(self, model_info: ModelInfo) -> Self:
        if not TASKS[model_info.task].classified:
            raise ValueError(
                "relative-mahalanobis is 0 everywhere where images have no class: use mahalanobis"
            )
        return super().attach(model_info)

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        what = "directions in which they do not vary are ignored, so far images may look near"
        warn_few(self.name, len(x), x.shape[1], what)
        means, classes = class_means(x, labels)
        self.whitener_ = whitener(covariance(x - means[classes]))
        self.means_ = means @ self.whitener_
        mean = class_means(x, labels.new_zeros(len(x)))[0]
        self.background_whitener_ = whitener(covariance(x - mean))
        self.background_mean_ = mean @ self.background_whitener_

    def _anomaly(self, x: Tensor) -> Tensor:
        nearest = squared_distances(x @ self.whitener_, self.means_).amin(1)
        return nearest - squared_distances(x @ self.background_whitener_, self.background_mean_)[:, 0]
