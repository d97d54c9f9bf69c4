"""The variational metric encoder of VMDLS (Dinari & Freifeld, UAI 2022)."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from lsood.extraction.hook import Hook
from lsood.extraction.reductions import fullmean


class VMDLSNet(nn.Module):
    """A classifier without its head as encoder g(x), and mean and log-variance of a latent vector as linear functions
    of g.

    There is no softmax and no decoder: a class is represented by the mean of its latent vectors. Every DropBlock is
    removed too, as the paper's networks have none; other dropout stays.

    Args:
        network: a classifier with ``feature_layers`` and ``head_layer``; becomes part of this network.
        latent: d.

    Attributes:
        stages: names, within ``encoder``, of the stages whose spatial means :meth:`describe` gives: the last three
            feature layers before g. Of a ResNet the first three blocks, as in the paper.

    Raises:
        ValueError: a network without head, or d below 1.
    """

    def __init__(self, network: nn.Module, latent: int = 32) -> None:
        super().__init__()
        name: Any = getattr(network, "head_layer", None)
        if name is None:
            raise ValueError(f"VMDLS needs a classifier with head_layer; {type(network).__name__} has none")
        if latent < 1:
            raise ValueError(f"latent must be at least 1, got {latent}")
        head: Any = network.get_submodule(name)
        width = int(head.weight.shape[1])
        blocks = [n for n, module in network.named_modules() if isinstance(module, DropBlock2D)]
        for taken in (name, *blocks):
            network.set_submodule(taken, nn.Identity())
        layers: Any = network.feature_layers
        self.stages: tuple[str, ...] = tuple(layers[:-1][-3:])
        self.encoder = network
        self.mu = nn.Linear(width, latent)
        self.log_variance = nn.Linear(width, latent)

    def latents(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> mean and log-variance of the latent vector, (B, d) each."""
        g = self.encoder(x)
        return self.mu(g), self.log_variance(g)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, d): a sample in training, the mean in evaluation."""
        mu, log_variance = self.latents(x)
        return sample(mu, log_variance) if self.training else mu

    def describe(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> spatial means of the stages, (B, C_i) each, then g (B, k) and mu (B, d)."""
        with ExitStack() as stack:
            hooks = [stack.enter_context(Hook(self.encoder.get_submodule(name))) for name in self.stages]
            g = self.encoder(x)
        maps = [hook.output for hook in hooks if hook.output is not None]
        return [*(fullmean(m) if m.ndim == 4 else m for m in maps), g, self.mu(g)]


def sample(mu: Tensor, log_variance: Tensor) -> Tensor:
    """mu + sigma eps, eps standard normal, differentiable in both."""
    return mu + (0.5 * log_variance).exp() * torch.randn_like(mu)
