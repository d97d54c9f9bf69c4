"""Outlier Exposure (Hendrycks, Mazeika & Dietterich, ICLR 2019): maximum softmax probability of a network trained
with outliers.

    training: CE(in) + 0.5 mean over outliers of (logsumexp(z) - mean_k z_k)        score = 1 - max_k softmax_k(z)

z: logits of an auxiliary network, evaluated on the same batches; the network under test is trained without outliers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from lsood import Activations, Detector, ModelInfo
from lsood.detector import Input, rows
from lsood.probes.image import ForwardOutputs, Probe
from lsood.probes.logit_scores import other_probability

WHOLE_IMAGES = dict.fromkeys(("segmentation", "detection"), "its network classifies whole images")


@dataclass(frozen=True, eq=False)
class AuxiliaryLogits(Probe):
    """(B, K) float32 logits of an auxiliary network on the same batch.

    Its name is part of cache keys and keeps the word of release 0.1.
    """

    members: tuple[nn.Module, ...] = field(repr=False)
    members_hash: str

    @property
    def name(self) -> str:
        return f"companion_logits.{self.members_hash[:16]}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        logits: Tensor = self.members[0](forward.images.detach())
        return logits.float()


class OutlierExposure(Detector):
    """See the module. Classification only.

    Args:
        networks: the one network trained with outliers, which are not of the OoD sets under test.
        networks_hash: hash of its weights, part of the name of its cached outputs.
    """

    name: ClassVar[str] = "outlier-exposure"
    paper: ClassVar[str] = "Hendrycks et al., ICLR 2019"
    formula: ClassVar[str] = (
        "1 - max p of a network tuned on auxiliary outliers, of no class and no set under test"
    )
    cost: ClassVar[str] = "a pass"
    checked: ClassVar[str] = "its network called by hand, in float64"
    auxiliary_networks: ClassVar[str | None] = "outlier-exposure"
    unsupported_tasks: ClassVar[Mapping[str, str]] = WHOLE_IMAGES

    def __init__(self, networks: tuple[nn.Module, ...] = (), networks_hash: str = "") -> None:
        self._networks, self.networks_hash = tuple(networks), networks_hash

    def attach(self, model_info: ModelInfo) -> Self:
        super().attach(model_info)
        if len(self._networks) != 1:
            raise ValueError(
                f"{self.name} needs one network trained with outliers, got {len(self._networks)}"
            )
        return self

    def probes(self) -> list[Probe]:
        return [AuxiliaryLogits(self._networks, self.networks_hash)]

    def fit_probes(self) -> list[Probe]:
        return []

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from that network's logits (N, K)."""
        logits = x[self.probes()[0].name] if isinstance(x, Activations) else x
        return other_probability(rows(logits, "outlier-exposure: the logits"))
