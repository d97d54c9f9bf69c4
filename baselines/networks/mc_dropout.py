"""Monte-Carlo dropout (Gal & Ghahramani, ICML 2016): T passes with every dropout layer on, softmax averaged.

    mc-dropout          1 - max_k p_k,                  p = mean_t p_t
    mc-dropout-entropy  H(p) = -sum_k p_k log p_k       predictive entropy, nats
    mc-dropout-mi       H(p) - mean_t H(p_t)            mutual information (Smith & Gal, UAI 2018), nats

Only Dropout and DropBlock layers are random, batch norm keeps its running statistics (the FSSD authors' code puts
the whole network in training mode, so that a score depends on batch mates). Masks are seeded per image. The layers
before the first dropout layer run once for all T passes. Of FSSD's two MCD scores this is the maximum of the mean,
not the variance of the predicted class' logit. Segmentation: the mean over pixels. Detection: the mean over the boxes
of the clean pass, classified T times with the dropout layers after region pooling on.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor, nn

from baselines.networks.stochastic import Stochastic, rest_and_entropy, uncertainties
from lsood.detector import Detector, Input
from lsood.extraction.activations import Activations
from lsood.probes.base import ModelInfo, Probe


class MCDropout(Detector):
    """1 - max of the mean softmax, of the network under test.

    Args:
        passes: T, at least 1.
    """

    name: ClassVar[str] = "mc-dropout"
    paper: ClassVar[str] = "Gal & Ghahramani, ICML 2016"
    formula: ClassVar[str] = "1 - max of the mean softmax of 16 stochastic passes"
    cost: ClassVar[str] = "16 passes behind the first dropout layer"
    checked: ClassVar[str] = "800 plain passes with dropout layers on; float64 sums"
    column: ClassVar[int] = 0
    _networks: tuple[nn.Module, ...] = ()
    networks_hash: str = ""

    def __init__(self, passes: int = 16) -> None:
        if passes < 1:
            raise ValueError(f"passes must be at least 1, got {passes}")
        self.passes = passes

    def probes(self) -> list[Probe]:
        return [Stochastic(self.passes, self._model_info().seed, self._networks, self.networks_hash)]

    def fit_probes(self) -> list[Probe]:
        return []

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from the probabilities of all passes (N, T, K)."""
        if isinstance(x, Activations):
            return x[self.probes()[0].name][:, self.column].double()
        if x.ndim != 3 or 0 in x.shape:
            raise ValueError(f"{self.name}: probabilities must be (N, T, K), got {tuple(x.shape)}")
        expected = rest_and_entropy(x.double().transpose(1, 2))[1].mean(1)
        return uncertainties(x.double().mean(1), expected)[self.column]


class MCDropoutEntropy(MCDropout):
    """Predictive entropy of the mean softmax, of the network under test."""

    name: ClassVar[str] = "mc-dropout-entropy"
    formula: ClassVar[str] = "entropy of the mean softmax of 16 stochastic passes"
    checked: ClassVar[str] = "800 plain passes with dropout layers on; float64 sums"
    column: ClassVar[int] = 1


class MCDropoutMI(MCDropout):
    """Mutual information of the prediction and the weights, of the network under test."""

    name: ClassVar[str] = "mc-dropout-mi"
    paper: ClassVar[str] = "Smith & Gal, UAI 2018"
    formula: ClassVar[str] = "mutual information: that entropy less the mean entropy of the passes"
    checked: ClassVar[str] = "800 plain passes with dropout layers on; float64 sums"
    column: ClassVar[int] = 2


class MCDropoutNet(MCDropout):
    """1 - max of the mean softmax of an auxiliary network, trained with dropout for this purpose.

    Args:
        networks: that network. networks_hash: of its weights.
        passes: T, at least 1; the FSSD authors take 32.
    """

    name: ClassVar[str] = "mc-dropout-net"
    formula: ClassVar[str] = "1 - max of the mean softmax of a network trained with more dropout"
    cost: ClassVar[str] = "its 16 passes"
    checked: ClassVar[str] = "`mc-dropout` of the same network"
    auxiliary_networks: ClassVar[str | None] = "mc-dropout"

    def __init__(
        self, networks: tuple[nn.Module, ...] = (), networks_hash: str = "", passes: int = 16
    ) -> None:
        super().__init__(passes)
        self._networks, self.networks_hash = tuple(networks), networks_hash

    def attach(self, model_info: ModelInfo) -> Self:
        if len(self._networks) != 1:
            raise ValueError(f"{self.name} needs one network trained with dropout, got {len(self._networks)}")
        return super().attach(model_info)
