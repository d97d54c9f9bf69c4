"""The last linear layer of a classifier, for methods that compute logits anew from penultimate features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Head:
    """logits = features W' + b, in float64.

    Attributes:
        weight: (K, D) float64 on the CPU. bias: (K,) float64.

    Example:
        >>> Head(torch.tensor([[2.0, 0.0]]).double(), torch.ones(1).double())(torch.tensor([[1.5, 9.0]])).item()
        4.0
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, network: nn.Module) -> Self | None:
        """That of a network which names it (``head_layer``, a linear layer or a 1x1 convolution); None where there is
        none, as in segmentation. The rows of the classes are those the network names (``head_rows``), else all but that
        of the background, where it has one (``background``).
        """
        name: Any = getattr(network, "head_layer", None)
        if name is None:
            return None
        layer: Any = network.get_submodule(name)
        weight = layer.weight.detach().cpu().double().flatten(1)
        bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()
        background: int | None = getattr(network, "background", None)
        named: Any = getattr(network, "head_rows", None)
        classes = list(named or (row for row in range(len(weight)) if row != background))
        return cls(weight[classes], bias.cpu().double()[classes])

    def __call__(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, K) float64."""
        return features.double() @ self.weight.T + self.bias
