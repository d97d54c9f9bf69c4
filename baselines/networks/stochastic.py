"""The probe of Monte-Carlo dropout: T stochastic passes over one batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lsood.extraction.devices import double
from lsood.extraction.masks import RANDOM_LAYERS, UnsampledDropout
from lsood.extraction.sampling import dropping, random_layers
from lsood.extraction.trunk import trunk_once
from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.detection_logits import means_per_image


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
    uses_masks: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"mc_dropout.t{self.passes}.s{self.seed}.{self.members_hash[:16] or 'self'}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        network, images = (*self.members, forward.network)[0], forward.images.detach()
        if forward.detections:
            boxes = [found.best_boxes() for found in forward.detections]

            def of_boxes() -> Tensor:
                return double(torch.cat(list(network(images, boxes)))).softmax(1)

            mean, scores = self._sampled(network, forward, of_boxes)
            classes = mean.shape[1]
            of_nothing = mean.new_tensor([1 - 1 / classes, math.log(classes), 0.0])
            return means_per_image(torch.stack(scores, 1), boxes, of_nothing)

        def of_images() -> Tensor:
            z = network(images)
            return (double(z) if z.ndim == 2 else z.float()).softmax(1)

        _, scores = self._sampled(network, forward, of_images)
        return torch.stack(
            [double(score).flatten(1).mean(1) if score.ndim > 1 else score for score in scores], 1
        )

    def _sampled(
        self, network: nn.Module, forward: ForwardOutputs, probabilities: Callable[[], Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Mean probabilities of passes with dropout on, and their uncertainties; one pass where all are the same, with
        p = 0.
        """
        mean = expected = torch.zeros(())
        device = forward.images.device
        with dropping(network, forward.keys, self.seed, device) as drawn, trunk_once(network):
            for _ in range(self.passes):
                p = probabilities()
                if not drawn.calls and len(p):
                    _check_dropout(network)
                    return p, uncertainties(p, rest_and_entropy(p)[1])
                mean = mean + p / self.passes
                expected = expected + rest_and_entropy(p)[1] / self.passes
        return mean, uncertainties(mean, expected)


def _check_dropout(network: nn.Module) -> None:
    """Raise UnsampledDropout for a network without a dropout layer, and for one whose dropout layers are not called."""
    if idle := random_layers(network):
        raise UnsampledDropout(
            f"Monte-Carlo dropout: a pass does not call the dropout layer {next(iter(idle))!r}"
        )
    if not any(isinstance(module, RANDOM_LAYERS) for module in network.modules()):
        raise UnsampledDropout(
            "Monte-Carlo dropout: the network has no dropout layer, so every pass is the same"
        )


def rest_and_entropy(p: Tensor) -> tuple[Tensor, Tensor]:
    """1 - max and entropy over dimension 1 of probabilities (B, K, ...): (B, ...) each. Both are computed
    from the other classes' probabilities, so that values of confident images do not round to the same number.
    """
    others = p.scatter(1, p.argmax(1, keepdim=True), 0)
    rest = others.sum(1)
    return rest, -torch.xlogy(others, others).sum(1) - (1 - rest) * torch.log1p(-rest)


def uncertainties(mean: Tensor, expected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """1 - max, predictive entropy and mutual information, of mean probabilities (B, K, ...) and the mean entropy
    (B, ...) of the passes.
    """
    rest, entropy = rest_and_entropy(mean)
    return rest, entropy, (entropy - expected).clamp_min(0)
