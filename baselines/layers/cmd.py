"""Class-conditional Mahalanobis distance with one covariance per class (cMD of runia-core, on latent means there).

f: the output of a layer, averaged over space.

    score = min_c (f - mu_c)' pinv(S_c) (f - mu_c),   S_c = (1/N_c) sum_{i: y_i = c} (f_i - mu_c)(f_i - mu_c)'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import PenultimateDetector, class_means
from lsood.density.kernel import covariance, whitener
from lsood.io import log

NAMED = 5


class CMD(PenultimateDetector):
    """See the module; true labels. Components outside the span of a class's own images (fewer images than dimensions,
    dead channels) do not contribute to its distance: the pseudo-inverse is 0 there. A class with one image, whose
    distance would be 0 everywhere, is left out. A warning names the classes with fewer such components than the whole
    fit set has: their distances are too small, for far images too, and with few of them AUROC falls.

    Args:
        layer: another feature layer, or the latent layer (runia-core's choice); None: the deepest.
    """

    name: ClassVar[str] = "cmd"
    paper: ClassVar[str] = "Arnez Yagualca et al., runia-core 0.2"
    group: ClassVar[str] = "features"
    formula: ClassVar[str] = "Mahalanobis distance to the nearest class mean with a covariance per class"
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "scikit-learn's empirical covariance per class; `mahalanobis` for one class"
    needs_labels: ClassVar[bool] = True

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        means, classes = class_means(x, labels)
        self.means_: list[Tensor] = []
        self.whiteners_: list[Tensor] = []
        full = whitener(covariance(x - x.mean(0))).shape[1]
        poor: dict[int, tuple[int, int]] = {}
        for c, (label, mean) in enumerate(zip(labels.unique().tolist(), means, strict=True)):
            own = whitener(covariance(x[classes == c] - mean))
            if own.shape[1] < full and (count := int((classes == c).sum())) <= full:
                poor[label] = count, own.shape[1]
            if own.shape[1]:
                self.means_.append(mean)
                self.whiteners_.append(own)
        if not self.means_:
            raise ValueError("cmd: no class of the fit set has two different images")
        self._warn(poor, full)

    def _warn(self, poor: Mapping[int, tuple[int, int]], full: int) -> None:
        """Name the classes with too few images, {label: (images, components)}, the smallest first."""
        worst = sorted(poor, key=lambda label: poor[label])
        named = [
            f"class {label} ({poor[label][0]} images, {poor[label][1]} of {full} components"
            f"{'' if poor[label][1] else ', left out'})"
            for label in worst[:NAMED]
        ]
        if named:
            more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
            log.warning(
                "cmd: too few fit images of %s%s: far images may look near to them", ", ".join(named), more
            )

    def _anomaly(self, x: Tensor) -> Tensor:
        nearest = x.new_full((len(x),), torch.inf)
        for mean, own in zip(self.means_, self.whiteners_, strict=True):
            nearest = nearest.minimum(((x - mean) @ own).square().sum(1))
        return nearest
