"""A forward hook that keeps what went into a layer and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from torch import Tensor, nn


class Hook:
    """Keeps what went into ``module`` and what came out of it, as copies: what the network does to these tensors in
    place afterwards (``out += identity``, ``ReLU(inplace=True)``) does not change what was kept. Gradients flow through
    the copies.

    Args:
        module: the layer.
        network: keep every call of the layer since the last forward pass of this network began, for layers that a
            pass calls several times (once per level of a feature pyramid); None: the last call alone.

    Attributes:
        inputs: first arguments of the calls kept, in their order, as they were before the call.
        outputs: what the module returned in them.
        input, output: those of the last call, or None before any.

    Use it as a context manager, or call :meth:`close` when done.

    Example:
        >>> import torch
        >>> layer = nn.ReLU(inplace=True)
        >>> with Hook(layer) as hook:
        ...     _ = layer(torch.tensor([-1.0, 2.0])).mul_(10)
        >>> hook.input.tolist(), hook.output.tolist()
        ([-1.0, 2.0], [0.0, 2.0])
    """

    def __init__(self, module: nn.Module, network: nn.Module | None = None) -> None:
        self.module = module
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self._entered: list[tuple[Any, int | None, Any]] = []
        begins = module if network is None else network
        self._handles = [
            begins.register_forward_pre_hook(self._begin),
            module.register_forward_pre_hook(self._enter, with_kwargs=True),
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
        self.inputs, self.outputs, self._entered = [], [], []

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = next(iter((*args, *kwargs.values())), None)
        self._entered.append((given, version(given), _copied(given)))

    def _keep(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        given, before, copy = self._entered.pop()
        untouched = output is given and before is not None and version(given) == before
        self.inputs.append(copy)
        self.outputs.append(copy if untouched else _copied(output))

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


def version(value: Any) -> int | None:
    """How often a tensor was changed in place; None where that is not counted (`torch.inference_mode`)."""
    return value._version if isinstance(value, Tensor) and not value.is_inference() else None


def _copied(value: Any) -> Any:
    """Tensors, also those in tuples, lists and mappings, as copies; anything else as it is."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, tuple | list):
        copies = [_copied(one) for one in value]
        return type(value)(*copies) if hasattr(value, "_fields") else type(value)(copies)
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return value
