"""Running networks in reduced precision: bfloat16 inside, float32 for everything that is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class ReducedPrecision:
    """While it is open, networks run under autocast to bfloat16 wherever they are called.

    Their last linear layer (``head_layer``, where a network names it) runs in float32: eight bits of logit would
    tie most images. What a network returns is float32; parameters, sums and gradients are kept in float32, as
    autocast does.

    Args:
        networks: to run so.
        device: "cpu", "cuda" or "mps".
    """

    def __init__(self, networks: Iterable[nn.Module], device: torch.device | str) -> None:
        self.device = torch.device(device).type
        self._open: list[Any] = []
        self._handles: list[Any] = []
        for network in networks:
            self._handles.append(network.register_forward_pre_hook(self._enter))
            self._handles.append(network.register_forward_hook(self._leave, always_call=True))
            head: Any = getattr(network, "head_layer", None)
            if head is not None:
                self._handles.append(network.get_submodule(head).register_forward_hook(self._again))

    def _enter(self, module: nn.Module, args: Any) -> None:
        self._open.append(torch.autocast(self.device, torch.bfloat16))
        self._open[-1].__enter__()

    def _leave(self, module: nn.Module, args: Any, output: Any) -> Any:
        self._open.pop().__exit__(None, None, None)
        return single(output)

    def _again(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        with torch.autocast(self.device, enabled=False):
            return module.forward(args[0].float())

    def close(self) -> None:
        """Back to the networks' own precision."""
        for handle in self._handles:
            handle.remove()


def single(value: Any) -> Any:
    """A bfloat16 tensor as float32; anything else as it is."""
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
