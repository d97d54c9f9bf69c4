"""The layer that gives a network's logits, found by its values in a pass, and its input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.outside.maps import tensors_in
from networks.outside.trace import Call, Trace, is_leaf


@dataclass
class Producer:
    """The layer whose output gives the logits.

    Attributes:
        call: of it. linear: whether logits = W pooled input + b, for a classifier checked by values.
        pooled: (B, D) pooled input of a classifier's layer. pool: how, a name of `POOLS`.
    """

    call: Call
    linear: bool
    pooled: Tensor | None
    pool: str


POOLS = {
    "vector": lambda x: x,
    "map": lambda x: x.mean(dim=(2, 3)),
    "channels-last": lambda x: x.mean(dim=(1, 2)),
    "mean of tokens": lambda x: x.mean(dim=1),
    "first token": lambda x: x[:, 0],
}
"""{how: (B, ...) to (B, D)}."""
_DIMENSIONS = {"vector": 2, "map": 4, "channels-last": 4, "mean of tokens": 3, "first token": 3}


@torch.no_grad()
def producer(network: nn.Module, trace: Trace, task: str, named: str | None = None) -> Producer | None:
    """The layer that gives the logits, up to pooling, reshaping and enlarging: the first one without layers inside that
    does; None: there is none, such as where logits are scaled outside of layers.

    Args:
        named: look at this layer alone.
    """
    outputs = trace.logits.shape[1]
    leaves = {
        call.name: call
        for call in trace.once
        if is_leaf(call.module) and (named is None or call.name == named)
    }
    seen = values_of(network, trace.images, leaves, lambda given, output: outputs in output.shape[1:])
    for name, (given, output) in seen.items():
        if (pool := _gives(output, trace.logits, task)) is not None:
            call = leaves[name]
            linear = _is_linear(call.module, outputs)
            pooled = None
            if task == "classification" and given.ndim == _DIMENSIONS[pool]:
                pooled = POOLS[pool](given)
                linear = linear and _affine(call.module, pooled, trace.logits)
            elif task == "classification":
                linear = False
            return Producer(call, linear, pooled, pool)
    return None


def values_of(
    network: nn.Module, images: Tensor, calls: Iterable[str], kept: Any = lambda given, output: True
) -> dict[str, tuple[Tensor, Tensor]]:
    """{layer: first tensor given, first tensor of its output} of a pass, copies, in the order in which they end."""
    entered: list[Tensor | None] = []
    found: dict[str, tuple[Tensor, Tensor]] = {}
    handles = []

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = tensors_in(next(iter((*args, *kwargs.values())), None))
        entered.append(tensors[0].clone() if tensors else None)

    def leave(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            given, tensors = entered.pop(), tensors_in(output)
            if given is not None and tensors and kept(given, tensors[0]):
                found[name] = given, tensors[0].clone()

        return hook

    for name in calls:
        module = network.get_submodule(name)
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()
    return found


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal up to rounding."""
    return a.shape == b.shape and torch.allclose(
        a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max().clamp(min=1e-3))
    )


def _gives(output: Tensor, logits: Tensor, task: str) -> str | None:
    """How a layer's output is pooled to give a classifier's logits, "map" for those of pixels; None: it does not."""
    if task == "classification":
        ways = [name for name, ndim in _DIMENSIONS.items() if ndim == output.ndim]
        return next((name for name in ways if close(POOLS[name](output), logits)), None)
    if output.ndim != 4 or output.shape[:2] != logits.shape[:2]:
        return None
    if output.shape == logits.shape:
        return "map" if close(output, logits) else None
    for corners in (False, True):
        if close(
            F.interpolate(output, size=logits.shape[-2:], mode="bilinear", align_corners=corners), logits
        ):
            return "map"
    return None


def _is_linear(layer: nn.Module, outputs: int) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1 and layer.out_channels == outputs
    return isinstance(layer, nn.Linear) and layer.out_features == outputs


def _affine(layer: nn.Module, pooled: Tensor, logits: Tensor) -> bool:
    """Whether logits = W x + b: a subclass may do something else."""
    weight: Tensor = layer.weight.flatten(1)  # type: ignore[operator, union-attr, assignment]
    bias: Any = layer.bias
    return close(F.linear(pooled, weight, bias), logits)
