"""Input steps along a confidence's gradient, read off one more pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lsood.probes.base import ForwardOutputs


@dataclass(frozen=True)
class Perturbation:
    """An input step along a confidence's gradient, and what is read off the perturbed pass.

    x' = x + epsilon * step(d confidence / dx) / std. The gradient comes from the shared clean pass; the
    perturbed images cost one more.

    Attributes:
        name: unique for method, parameters and fitted state.
        direction: names the gradient, which does not depend on epsilon: steps of equal direction share one
            backward pass.
        layers: names of the layers that ``confidence`` and ``read`` look at.
        confidence: forward -> (B,), differentiable.
        read: forward of the perturbed images -> (B, ...).
        epsilon: step size in [0, 1] pixel units.
        std: per-channel input standard deviation.
        step: "sign", or "standardised" (per image zero mean, unit standard deviation).
        probe: name of a probe whose prepared state ``confidence`` and ``read`` get as second argument.
    """

    name: str
    direction: str
    layers: tuple[str, ...]
    confidence: Callable[[ForwardOutputs, Any], Tensor]
    read: Callable[[ForwardOutputs, Any], Tensor]
    epsilon: float
    std: tuple[float, ...]
    step: str = "sign"
    probe: str | None = None

    def move(self, images: Tensor, gradient: Tensor) -> Tensor:
        """The perturbed images (B, C, H, W), or (B, D)."""
        if self.step == "sign":
            direction = gradient.sign()
        else:
            dims = tuple(range(1, gradient.ndim))
            spread = gradient.std(dim=dims, keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
            direction = (gradient - gradient.mean(dim=dims, keepdim=True)) / spread
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device)
        std = std.reshape(-1, *[1] * (images.ndim - 2))
        return images + self.epsilon * direction / std


def digest(*tensors: Tensor) -> str:
    """16 hex digits over tensors' bytes: names a fitted state."""
    content = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
