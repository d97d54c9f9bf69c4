"""A forward hook that keeps what went into a layer and what came out of it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch import Tensor, nn


class Hook:
    """Keeps the last input and output of ``module``.

    Attributes:
        input: first positional argument of the module's last forward call, or None before any call.
        output: what the module returned, or None.

    Use it as a context manager, or call :meth:`close` when done.

    Example:
        >>> import torch
        >>> layer = nn.ReLU()
        >>> with Hook(layer) as hook:
        ...     _ = layer(torch.tensor([-1.0, 2.0]))
        >>> hook.input.tolist(), hook.output.tolist()
        ([-1.0, 2.0], [0.0, 2.0])
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.input: Tensor | None = None
        self.output: Tensor | None = None
        self._handle = module.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.input, self.output = args[0], output

    def close(self) -> None:
        """Remove the hook from the module; what was kept stays readable."""
        self._handle.remove()

    def __enter__(self) -> Hook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
