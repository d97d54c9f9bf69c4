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

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lsood import Activations, Detector, ModelInfo
from lsood.detector import Input
from lsood.extraction.sampling import dropping, random_layers
from lsood.extraction.trunk import trunk_once
from lsood.probes.detection_logits import means_per_image
from lsood.probes.image import ForwardOutputs, Probe


def rest_and_entropy(p: Tensor) -> tuple[Tensor, Tensor]:
    """1 - max and entropy over dimension 1 of probabilities (B, K, ...): (B, ...) each. Both are computed
    from the other classes' probabilities, so that values of confident images do not round to the same number.
    """
    others = p.scatter(1, p.argmax(1, keepdim=True), 0)
    rest = others.sum(1)
    return rest, -torch.xlogy(others, others).sum(1) - (1 - rest) * torch.log1p(-rest)


@dataclass(frozen=True, eq=False)
class Stochastic(Probe):
    """(B, 3) float64: 1 - max, predictive entropy and mutual information of T stochastic passes.

    Attributes:
        members: a network to use instead of the one under test, or none. members_hash: of its weights.
    """

    passes: int = 16
    seed: int = 0
    members: tuple[nn.Module, ...] = field(default=(), repr=False)
    members_hash: str = ""

    @property
    def name(self) -> str:
        return f"mc_dropout.t{self.passes}.s{self.seed}.{self.members_hash[:16] or 'self'}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        if forward.detections:
            return self._of_boxes(forward)
        network, images = (*self.members, forward.network)[0], forward.images.detach()
        passes = self.passes if random_layers(network) else 1  # without dropout all passes are the same
        mean = expected = torch.zeros((), device=images.device)
        with dropping(network, forward.keys, self.seed, images.device), trunk_once(network):
            for _ in range(passes):
                z = network(images)
                p = (z.double() if z.ndim == 2 else z.float()).softmax(1)
                mean, expected = mean + p / passes, expected + rest_and_entropy(p)[1] / passes
        scores = uncertainties(mean, expected)
        return torch.stack(
            [score.double().flatten(1).mean(1) if score.ndim > 1 else score for score in scores], 1
        )

    def _of_boxes(self, forward: ForwardOutputs) -> Tensor:
        network, images = (*self.members, forward.network)[0], forward.images.detach()
        boxes = [found.best_boxes() for found in forward.detections]
        mean = expected = torch.zeros((), device=images.device)
        with dropping(network, forward.keys, self.seed, images.device), trunk_once(network):
            for _ in range(self.passes):
                p = torch.cat(list(network(images, boxes))).double().softmax(1)
                mean, expected = mean + p / self.passes, expected + rest_and_entropy(p)[1] / self.passes
        classes = mean.shape[1]
        of_nothing = mean.new_tensor([1 - 1 / classes, math.log(classes), 0.0])
        return means_per_image(torch.stack(uncertainties(mean, expected), 1), boxes, of_nothing)


def uncertainties(mean: Tensor, expected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """1 - max, predictive entropy and mutual information, of mean probabilities (B, K, ...) and the mean entropy
    (B, ...) of the passes.
    """
    rest, entropy = rest_and_entropy(mean)
    return rest, entropy, (entropy - expected).clamp_min(0)


class MCDropout(Detector):
    """1 - max of the mean softmax, of the network under test.

    Args:
        passes: T, at least 1.
    """

    name: ClassVar[str] = "mc-dropout"
    paper: ClassVar[str] = "Gal & Ghahramani, ICML 2016"
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
    column: ClassVar[int] = 1


class MCDropoutMI(MCDropout):
    """Mutual information of the prediction and the weights, of the network under test."""

    name: ClassVar[str] = "mc-dropout-mi"
    paper: ClassVar[str] = "Smith & Gal, UAI 2018"
    column: ClassVar[int] = 2


class MCDropoutNet(MCDropout):
    """1 - max of the mean softmax of an auxiliary network, trained with dropout for this purpose.

    Args:
        networks: that network. networks_hash: of its weights.
        passes: T, at least 1; the FSSD authors take 32.
    """

    name: ClassVar[str] = "mc-dropout-net"
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
