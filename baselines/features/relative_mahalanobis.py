"""Relative Mahalanobis distance (Ren et al., ICML-W 2021): score = min_c d_c^2 - d_0^2.

f: the network's penultimate features (deepest feature layer, averaged over space).
d_c: Mahalanobis distance to the mean of class c under the tied covariance (1/N) sum_i (f_i - mu_yi)(f_i - mu_yi)';
d_0: to the mean of all fit images under their covariance (1/N) sum_i (f_i - mu)(f_i - mu)'.

RMDS++ (Mueller & Hein, ICML 2025) is the same on f / ||f||.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.base import whitened_means
from baselines.features.class_distance import ClassDistance
from lsood.density.kernel import squared_distances
from lsood.probes.image import ModelInfo
from lsood.tasks import TASKS


class RelativeMahalanobis(ClassDistance):
    """See the module. True labels; pseudo-inverses in float64, both covariances divided by N. With one class the
    score is 0 everywhere, so networks for segmentation and detection are refused.

    Args:
        layer: another feature layer, or the latent layer; None: the deepest.

    Attributes:
        without_classes: the method for images without a class.
    """

    name: ClassVar[str] = "relative-mahalanobis"
    paper: ClassVar[str] = "Ren et al., ICML-W 2021"
    formula: ClassVar[str] = "distance to the nearest class mean less that to the overall mean"
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "scikit-learn's empirical covariance; pytorch-ood; 0 for one class"
    without_classes: ClassVar[str] = "mahalanobis"

    def attach(self, model_info: ModelInfo) -> Self:
        if not TASKS[model_info.task].classified:
            raise ValueError(
                f"{self.name} is 0 everywhere where images have no class: use {self.without_classes}"
            )
        return super().attach(model_info)

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        super()._learn(x, labels)
        self.background_whitener_, self.background_mean_ = whitened_means(x, labels.new_zeros(len(x)))

    def _anomaly(self, x: Tensor) -> Tensor:
        background = squared_distances(x @ self.background_whitener_, self.background_mean_)[:, 0]
        return super()._anomaly(x) - background


class RMDSPlusPlus(RelativeMahalanobis):
    """RMDS++, relative Mahalanobis distance of unit-length features; no hyper-parameter."""

    name: ClassVar[str] = "rmds-pp"
    paper: ClassVar[str] = "Mueller & Hein, ICML 2025"
    formula: ClassVar[str] = "mds-pp less the squared Mahalanobis distance of f / |f| to the mean of all"
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "pytorch-ood 0.4.0 on unit-length features, scikit-learn"
    unit_length: ClassVar[bool] = True
    without_classes: ClassVar[str] = "mds-pp"
