"""Mahalanobis distance to class means under one tied covariance, per layer (Lee et al., NeurIPS 2018).

    v_l = min_k (f_l - mu_lk)' P_l (f_l - mu_lk),   P_l = pinv of (1/N) sum_i (f_i - mu_yi)(f_i - mu_yi)'

f_l: a layer's output averaged over space; means from true labels of the fit set. Where images have no label
(segmentation, detection) there is one mean. Distances are computed in whitened coordinates, x W with W W' = P, in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from baselines.features.base import whitened_means
from baselines.layers.base import LayeredDetector
from lsood import Activations
from lsood.density.kernel import squared_distances
from lsood.detector import Input, rows
from lsood.extraction.devices import double
from lsood.probes.image import ForwardOutputs, Pooled, Probe
from lsood.tasks import TASKS


class Mahalanobis(LayeredDetector):
    """See the module. With input noise, images move so that the distance falls: x' = x - eps sign(d sum_l v_l
    / dx) / std.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> Mahalanobis().fit(x).clean(torch.tensor([[0.5, 0.5]])).item()
        0.0
    """

    name: ClassVar[str] = "mahalanobis"
    paper: ClassVar[str] = "Lee et al., NeurIPS 2018"
    formula: ClassVar[str] = (
        "distance to the nearest class mean under a tied covariance, per layer, standardised and summed"
    )
    fitted_on: ClassVar[str] = "fit set, labels; scales on validation"
    checked: ClassVar[str] = "scikit-learn's empirical covariance; ranks of pytorch-ood"
    needs_labels: ClassVar[bool] = True

    def probes(self) -> list[Probe]:
        return [Pooled(layer) for layer in self.layers]

    def _features(self, x: Input) -> list[Tensor]:
        if not isinstance(x, Activations):
            return [rows(x, "mahalanobis: the features")]
        return [rows(x[Pooled(layer).name], f"mahalanobis: layer {layer}") for layer in self.layers]

    def fit(self, train: Input, labels: Tensor | None = None) -> Self:
        """Learn means and covariance. A tensor (N, D) is one layer, ``labels`` (N,) its classes; without
        labels there is one mean.
        """
        features = self._features(train)
        if isinstance(train, Activations) and TASKS[self._model_info().task].classified:
            labels = train["labels"]
        if labels is None:
            labels = torch.zeros(len(features[0]), dtype=torch.int64)
        self.whiteners_: list[Tensor] = []
        self.means_: list[Tensor] = []
        for x in features:
            whitening, means = whitened_means(x, labels)
            self.whiteners_.append(whitening)
            self.means_.append(means)
        self._fit_scale(self.clean(train))
        return self

    def clean(self, x: Input) -> Tensor:
        pairs = zip(self._features(x), self.whiteners_, self.means_, strict=True)
        return torch.stack([squared_distances(f @ w, m).amin(1) for f, w, m in pairs], dim=1)

    def live(self, forward: ForwardOutputs, prepared: Any, layers: Sequence[str]) -> Tensor:
        values = []
        for layer in layers:
            place = self.layers.index(layer)
            w, m = self.whiteners_[place], self.means_[place]
            maps = forward.outputs[layer]
            pooled = double(maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps)
            values.append(
                (pooled @ w.to(pooled.device))[:, None].sub(m.to(pooled.device)).square().sum(2).amin(1)
            )
        return torch.stack(values, dim=1)


STEPS = (
    0.02, 0.015, 0.01, 0.009, 0.008, 0.007, 0.006, 0.005, 0.004, 0.003, 0.002, 0.0014, 0.001, 0.0005,
)  # fmt: skip


class MahalanobisNoise(Mahalanobis):
    """Mahalanobis with input noise, eps = 0.0014 fixed under "no-ood"; under the other protocols chosen from the
    grid of Huang et al. (SafeAI 2021), with a step per layer.
    """

    name: ClassVar[str] = "mahalanobis-noise"
    formula: ClassVar[str] = "`mahalanobis` after an input step of .0014 that lowers it"
    cost: ClassVar[str] = "1 step"
    checked: ClassVar[str] = "`mahalanobis` where the step is 0; a step lowers the distance"

    def __init__(self, layer: str | None = None, epsilon: float = 0.0014, per_layer: bool = False) -> None:
        super().__init__(layer, epsilon, per_layer)

    def param_grid(self) -> list[dict[str, Any]]:
        return [{"epsilon": epsilon, "per_layer": True} for epsilon in STEPS]
