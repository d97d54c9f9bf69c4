"""Deep ensembles (Lakshminarayanan et al., NeurIPS 2017): score = 1 - max_k of the members' mean softmax.

Members differ in initialisation and data order; no adversarial training. The mean is over probabilities, then
the maximum is taken (OpenOOD averages logits, the FSSD authors average the maxima).
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor, nn

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes.image import EnsembleProbability, ModelInfo, Probe


class DeepEnsemble(Detector):
    """The network under test and further members on the same batches; the loader is shared.

    Segmentation: the mean over pixels of 1 - max of the mean softmax. Detection: over the boxes of the network under
    test, which all members classify.

    Args:
        members: the further networks.
        members_hash: hash of their weights, part of the name of their cached outputs.
    """

    name: ClassVar[str] = "deep-ensemble"
    paper: ClassVar[str] = "Lakshminarayanan et al., NeurIPS 2017"
    formula: ClassVar[str] = "1 - max of the mean softmax of members trained with other seeds"
    cost: ClassVar[str] = "a pass per member"
    checked: ClassVar[str] = "the members called by hand"
    auxiliary_networks: ClassVar[str | None] = "ensemble"

    def __init__(self, members: tuple[nn.Module, ...] = (), members_hash: str = "") -> None:
        self._members, self.members_hash = tuple(members), members_hash

    def attach(self, model_info: ModelInfo) -> Self:
        if not self._members:
            raise ValueError("needs at least two networks: give several files after --checkpoint")
        return super().attach(model_info)

    def _probe(self) -> EnsembleProbability:
        return EnsembleProbability(self._members, self.members_hash)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def fit_probes(self) -> list[Probe]:
        return []

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from mean probabilities (N, K)."""
        values = rows(
            x[self._probe().name] if isinstance(x, Activations) else x, "deep-ensemble: the probabilities"
        )
        if values.shape[1] == 1:
            return values[:, 0]
        return values.scatter(1, values.argmax(1, keepdim=True), 0).sum(1)
