"""A forward hook that keeps what went into a layer and what came out of it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch import Tensor, nn


class Hook:
    """Keeps what went into ``module`` and what came out of it.

    Args:
        module: the layer.
        network: keep every call of the layer since the last forward pass of this network began, for layers that a
            pass calls several times (once per level of a feature pyramid); None: the last call alone.

    Attributes:
        inputs: first positional arguments of the calls kept, in their order.
        outputs: what the module returned in them.
        input, output: those of the last call, or None before any.

    Use it as a context manager, or call :meth:`close` when done.

    Example:
        >>> import torch
        >>> layer = nn.ReLU()
        >>> with Hook(layer) as hook:
        ...     _ = layer(torch.tensor([-1.0, 2.0]))
        >>> hook.input.tolist(), hook.output.tolist()
        ([-1.0, 2.0], [0.0, 2.0])
    """

    def __init__(self, module: nn.Module, network: nn.Module | None = None) -> None:
        self.module = module
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        begins = module if network is None else network
        self._handles = [
            begins.register_forward_pre_hook(self._begin),
            module.register_forward_hook(self._keep),
        ]

    @property
    def input(self) -> Tensor | None:
        """What went into the last call."""
        return self.inputs[-1] if self.inputs else None

    @property
    def output(self) -> Tensor | None:
        """What came out of the last call."""
        return self.outputs[-1] if self.outputs else None

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self.inputs, self.outputs = [], []

    def _keep(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.inputs.append(args[0])
        self.outputs.append(output)

    def close(self) -> None:
        """Remove the hook from the module; what was kept stays readable."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Hook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
