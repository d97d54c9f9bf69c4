"""Layers of a detector of the user, found in one traced pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

STAGES = 4


@dataclass(frozen=True)
class Call:
    """A call of a module: its name, the module, its first argument, what it returned."""

    name: str
    module: nn.Module
    given: Any
    output: Any


@torch.no_grad()
def traced(network: nn.Module, run: Callable[[], Any]) -> tuple[Any, list[Call]]:
    """What ``run`` returns, and the calls of the network's modules meanwhile in the order in which they ended."""
    calls: list[Call] = []
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules() if name}

    def keep(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        given = next(iter((*args, *kwargs.values())), None)
        calls.append(Call(names[module], module, given, output))

    handles = [module.register_forward_hook(keep, with_kwargs=True) for module in names]
    try:
        return run(), calls
    finally:
        for handle in handles:
            handle.remove()


def stages(calls: Sequence[Call], within: str = "") -> tuple[str, ...]:
    """Names of the layers that end the deepest stages below a module, shallow to deep: per size of feature maps (B, C,
    h, w) the last layer that makes maps from maps, outside of layers that make maps of another size. Of networks
    without such stages blocks of tokens (B, N, D) at equal distances.
    """
    inside = [call for call in calls if call.name.startswith(within)]
    sizes = {
        call.name: tuple(call.output.shape[-2:])
        for call in inside
        if _is_map(call.given) and _is_map(call.output)
    }
    last = {
        size: name for name, size in sizes.items() if all(sizes.get(a, size) == size for a in _around(name))
    }
    blocks: dict[str, dict[str, None]] = {}
    for call in inside:
        parent, _, index = call.name.rpartition(".")
        if index.isdigit() and isinstance(tokens := first_tensor(call.output), Tensor) and tokens.ndim == 3:
            blocks.setdefault(parent, {})[call.name] = None
    found = max((list(names) for names in blocks.values()), key=len, default=[])
    if len(last) > 1 or not found:
        return tuple(last[size] for size in sorted(last, key=lambda size: -size[0] * size[1])[-STAGES:])
    count = min(STAGES, len(found))
    return tuple(found[round((i + 1) * len(found) / count) - 1] for i in range(count))


def _around(name: str) -> list[str]:
    """Names of the modules that a module is part of."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point()


def backbone_of(network: nn.Module) -> str:
    """Name of the part of a detector that makes feature maps, with a dot behind it; "": the whole of it."""
    names = [name for name, _ in network.named_modules() if name.rpartition(".")[2] in ("backbone", "body")]
    shortest = min(names, key=len, default="")
    return f"{next((name for name in names if name.endswith('.body')), shortest)}." if shortest else ""


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor of what a layer returns: a tensor, a tuple or a mapping."""
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "values"):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((found for one in value if (found := first_tensor(one)) is not None), None)
    return None


def class_layer(calls: Sequence[Call], logits: Tensor) -> str | None:
    """Name of the linear layer whose output is the logits (..., L); None: there is none."""
    for call in reversed(calls):
        if (
            isinstance(call.module, nn.Linear)
            and call.output.shape[-1] == logits.shape[-1]
            and call.output.numel() == logits.numel()
            and torch.equal(call.output.reshape(logits.shape), logits)
        ):
            return call.name
    return None


def named(network: nn.Module, layer: str) -> nn.Module:
    """A layer by its name.

    Raises:
        ValueError: there is none; lists those there are.
    """
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        known = ", ".join(name for name in modules if name)
        raise ValueError(f"the network has no layer {layer!r}; it has: {known:.2000}")
    return modules[layer]
