"""RankFeat (Song, Sebe & Wang, NeurIPS 2022): logits of feature maps without their dominant rank-1 part.

    X' = X - s_1 u_1 v_1',    score = -log sum_k exp (z_k(X'_a) + z_k(X'_b)) / 2

X: an image's map, channels x positions, of the last two feature layers (a, b), one at a time; z(X'): the logits with
that layer's output replaced. The leading singular vector is the leading eigenvector of X X' or X' X, whichever is
smaller, in float64. Each map costs a further forward pass. If only one of the two layers gives a map (LeNet), it
alone is used. Segmentation: the mean over pixels of the pixel scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.extraction.devices import double
from lsood.probes.base import ModelInfo
from lsood.probes.image import ForwardOutputs, Probe


def without_rank_one(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> the same shape and dtype, every image's C x HW matrix without its leading singular part."""
    x = double(maps.flatten(2))
    wide = x.shape[1] <= x.shape[2]
    gram = x @ x.mT if wide else x.mT @ x
    gram = gram.nan_to_num(0.0, 0.0, 0.0)  # x itself is unchanged, so that the pass reports the image
    leading = torch.linalg.eigh(gram).eigenvectors[..., -1:]
    part = leading @ (leading.mT @ x) if wide else (x @ leading) @ leading.mT
    return (x - part).to(maps).reshape(maps.shape)


@dataclass(frozen=True)
class RankOneRemoved(Probe):
    """(B, K) float32: mean of the logits with the rank-1 part of each layer's map removed; segmentation (B, 1)
    float64: the mean over pixels of minus log-sum-exp.
    """

    of: tuple[str, ...]

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.of

    @property
    def name(self) -> str:
        return f"rankfeat.{'+'.join(self.of)}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        maps = {layer: forward.outputs[layer] for layer in self.of if forward.outputs[layer].ndim == 4}
        if not maps:
            raise ValueError(
                f"rankfeat needs feature maps (B, C, H, W), none of {', '.join(self.of)} gives any"
            )
        logits = torch.stack([_logits_with(forward, layer, without_rank_one(x)) for layer, x in maps.items()])
        mean = logits.float().mean(0)
        return mean if mean.ndim == 2 else -double(mean.logsumexp(1)).mean(dim=(1, 2))[:, None]


def _logits_with(forward: ForwardOutputs, layer: str, output: Tensor) -> Tensor:
    """The network's logits of the batch with a layer's output replaced."""
    handle = forward.network.get_submodule(layer).register_forward_hook(lambda *_: output)
    try:
        logits: Tensor = forward.network(forward.images.detach())
    finally:
        handle.remove()
    return logits


class RankFeat(Detector):
    """See the module. A tensor (N, K) holds the mean logits."""

    name: ClassVar[str] = "rankfeat"
    paper: ClassVar[str] = "Song et al., NeurIPS 2022"
    group: ClassVar[str] = "changed features"
    formula: ClassVar[str] = "the last two maps without their leading singular vector, mean of their logits"
    cost: ClassVar[str] = "2 forward passes"
    checked: ClassVar[str] = "pytorch-ood on one map; SVD, and the rest of the network run by hand"
    unsupported_tasks: ClassVar[Mapping[str, str]] = {
        "detection": "removing the rank-1 part moves the boxes, so their logits cannot be compared"
    }

    def attach(self, model_info: ModelInfo) -> Self:
        _ = model_info.penultimate  # raises where there are no feature layers
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        return [RankOneRemoved(self._model_info().layers[-2:])]

    def fit_probes(self) -> list[Probe]:
        return []

    def score(self, x: Input) -> Tensor:
        if not isinstance(x, Activations):
            return -rows(x, "rankfeat: the logits").logsumexp(1)
        values = rows(x[self.probes()[0].name], "rankfeat: the logits")
        return values[:, 0] if self._model_info().task == "segmentation" else -values.logsumexp(1)
