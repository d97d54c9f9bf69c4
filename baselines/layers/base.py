"""Base of the methods with one value per layer. Without OoD images the layers are standardised and summed; with
validation images of both sides they are weighted by a logistic regression.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.linear_model import LogisticRegressionCV
from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input
from lsood.extraction.devices import double
from lsood.probes.image import ForwardOutputs, ModelInfo, Perturbation, digest


class LayeredDetector(Detector):
    """A detector that reads one anomaly value per layer, from the clean pass or from perturbed ones.

    Protocol "no-ood": score = sum over layers of (v_l - mean_l) / std_l, mean and std over in-distribution
    validation images; with a step, ONE perturbed pass follows the gradient of the sum over layers. Protocols
    "fgsm-val" and "oracle-val", as in the papers: weights of a logistic regression on validation images of both
    sides, which also corrects a wrong sign, and one perturbed pass per layer along that layer's own gradient.

    Args:
        layer: names of the layers to use, joined by "+"; None: all of the network's feature layers.
        epsilon: step of the input noise in [0, 1] pixel units; 0: none, the values come from the shared pass.
        per_layer: a perturbed pass per layer.
    """

    protocols: ClassVar[tuple[str, ...]] = ("no-ood", "fgsm-val", "oracle-val")
    towards_anomaly: ClassVar[bool] = False
    step: ClassVar[str] = "sign"

    def __init__(self, layer: str | None = None, epsilon: float = 0.0, per_layer: bool = False) -> None:
        if epsilon < 0:
            raise ValueError(f"epsilon must not be negative, got {epsilon}")
        self.layer, self.epsilon, self.per_layer = layer, epsilon, per_layer

    def attach(self, model_info: ModelInfo) -> Self:
        known = (*model_info.layers, *filter(None, [model_info.head_layer]))
        if self.layer is None:
            _ = model_info.penultimate  # raises where there are no feature layers
        if unknown := [layer for layer in (self.layer or "").split("+") if layer and layer not in known]:
            raise ValueError(f"{self.name}: no feature layer {unknown[0]!r}; there are: {', '.join(known)}")
        return super().attach(model_info)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers used."""
        return tuple(self.layer.split("+")) if self.layer else self._model_info().layers

    @abstractmethod
    def clean(self, x: Input) -> Tensor:
        """(N, L) float64 anomaly value per layer, higher = more anomalous, without input noise."""

    @abstractmethod
    def live(self, forward: ForwardOutputs, prepared: Any, layers: Sequence[str]) -> Tensor:
        """(B, len(layers)) the same values of some layers from a pass, differentiable."""

    def _fit_scale(self, values: Tensor) -> None:
        """Scale layers by the fit set; :meth:`calibrate` replaces these scales for scoring, not for the input step."""
        self.layer_mean_, self.layer_std_ = moments(values)
        self.step_std_ = self.layer_std_

    def _values(self, x: Input) -> Tensor:
        steps = self.perturbations()
        if not steps or not isinstance(x, Activations):
            return self.clean(x)
        return torch.cat([x[step.name].double() for step in steps], dim=1)

    def calibrate(self, validation: Input) -> Self:
        """Mean and standard deviation of every layer's value from held-out in-distribution images."""
        self.layer_mean_, self.layer_std_ = moments(self._values(validation))
        return self

    def fit_with_outliers(self, ind: Input, ood: Input) -> Self:
        """Weights of the layers: scikit-learn's cross-validated logistic regression, as Lee et al. and Huang et
        al. use it, on values standardised by the in-distribution images (they use raw values).
        """
        self.calibrate(ind)
        x = torch.cat([self._standardised(ind), self._standardised(ood)]).numpy()
        labels = np.r_[np.zeros(len(x) - len(self._values(ood))), np.ones(len(self._values(ood)))]
        with warnings.catch_warnings():  # scikit-learn 1.8 and later announces new defaults at every fit
            warnings.simplefilter("ignore", FutureWarning)
            regression = LogisticRegressionCV(Cs=10, cv=5, random_state=42, max_iter=1000).fit(x, labels)
        self.layer_weight_ = torch.from_numpy(regression.coef_[0]).double()
        return self

    def _standardised(self, x: Input) -> Tensor:
        return (self._values(x) - self.layer_mean_) / self.layer_std_

    def score(self, x: Input) -> Tensor:
        values = self._standardised(x)
        return values @ self.layer_weight_ if hasattr(self, "layer_weight_") else values.sum(1)

    def perturbations(self) -> list[Perturbation]:
        if self.epsilon == 0:
            return []
        groups = [(layer,) for layer in self.layers] if self.per_layer else [self.layers]
        return [self._step(group) for group in groups]

    def _step(self, layers: tuple[str, ...]) -> Perturbation:
        learnt = self.state().items()
        fitted = digest(*(tensor for name, tensor in sorted(learnt) if not name.startswith("layer_")))
        direction = f"{self.kind}.{'+'.join(layers)}.{fitted}"
        return Perturbation(
            name=f"{direction}.e{self.epsilon:g}",
            direction=direction,
            layers=layers,
            confidence=partial(self._confidence, layers=layers),
            read=partial(self.live, layers=layers),
            epsilon=self.epsilon,
            std=self._model_info().std,
            step=self.step,
            probe=next((probe.name for probe in self.probes() if probe.name.startswith("fss")), None),
        )

    @property
    def kind(self) -> str:
        """Name of the input step; shared by the variants of a method with and without noise."""
        return self.name.removesuffix("-noise")

    def _confidence(self, forward: ForwardOutputs, prepared: Any, layers: Sequence[str]) -> Tensor:
        columns = [self.layers.index(layer) for layer in layers]
        values = double(self.live(forward, prepared, layers))
        total = (values / self.step_std_[columns].to(values.device)).sum(1)
        return total if self.towards_anomaly else -total


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Column means and population standard deviations, the latter at least 1e-12."""
    return values.double().mean(0), values.double().std(0, correction=0).clamp_min(1e-12)
