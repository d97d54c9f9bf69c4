"""Base of the methods that change the penultimate features and take the energy of the resulting logits.

    score = -log sum_k exp z_k,    z = W a(f) + b

f: a classifier's last feature layer averaged over space; W, b: its last linear layer; a: the method. Computed in
float64 from the features of the shared pass, without a further forward pass.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor

from lsood import Activations, Detector, ModelInfo
from lsood.detector import Input, rows
from lsood.probes.image import Pooled, Probe


class Rectified(Detector):
    """Base: features, :meth:`rectify`, last linear layer, energy. Tensors (N, D) are penultimate features.

    :meth:`fit` stores W and b, so that a saved detector needs no network to score features.
    """

    def attach(self, model_info: ModelInfo) -> Self:
        if model_info.head is None and not hasattr(self, "weight_"):
            raise ValueError(
                f"{self.name} needs a classifier that names its last linear layer (head_layer); this network has none"
            )
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        return [Pooled(self._model_info().penultimate)]

    def features(self, x: Input, dimension: int | None = None) -> Tensor:
        """(N, D) float64, checked."""
        values = x[self.probes()[0].name] if isinstance(x, Activations) else x
        return rows(values, f"{self.name}: the features", dimension)

    def fit(self, train: Input) -> Self:
        head = self._model_info().head
        if head is None:
            raise ValueError(
                f"{self.name}: a loaded detector is fitted already; attach model information with a head"
            )
        self.weight_, self.bias_ = head.weight, head.bias
        return self

    def rectify(self, features: Tensor) -> Tensor:
        """a(f): (N, D) -> (N, D), each row by itself."""
        return features

    def logits(self, features: Tensor) -> Tensor:
        """z: (N, D) -> (N, K), each row by itself."""
        return self.rectify(features) @ self.weight_.T + self.bias_

    def score(self, x: Input) -> Tensor:
        return -self.logits(self.features(x, self.weight_.shape[1])).logsumexp(1)


def largest(features: Tensor, percentile: float) -> tuple[Tensor, Tensor]:
    """Values and columns, (N, k) each, of every row's k = D - round(D percentile / 100) largest features, at
    least one; among equal ones the first.
    """
    k = max(1, features.shape[1] - round(features.shape[1] * percentile / 100))
    values, columns = features.sort(dim=1, descending=True, stable=True)
    return values[:, :k], columns[:, :k]


def checked_percentile(value: float, name: str = "percentile") -> float:
    """``value``, in percent.

    Raises:
        ValueError: it does not lie in 0 to 100.
    """
    if not 0 <= value <= 100:
        raise ValueError(f"{name} must lie in 0 to 100 (percent), got {value}")
    return value
