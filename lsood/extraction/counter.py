"""How many images a network forwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


class ForwardCounter:
    """Counts the images that reach the network's first layer, by phase.

    Attributes:
        counts: {phase: images}; the current phase is set with :meth:`phase`.
    """

    def __init__(self, network: nn.Module, phase: str = "shared_pass") -> None:
        first = next(
            (m for m in network.modules() if next(m.parameters(recurse=False), None) is not None), network
        )
        self.counts: dict[str, int] = {}
        self._phase = phase
        self._handle = first.register_forward_pre_hook(self._count)

    def _count(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if "forward" in vars(module):  # its output is replayed, see lsood.extraction.trunk
            return
        self.counts[self._phase] = self.counts.get(self._phase, 0) + len(args[0])

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Images forwarded inside the block count under ``name``."""
        before, self._phase = self._phase, name
        try:
            yield
        finally:
            self._phase = before

    def close(self) -> None:
        """Stop counting."""
        self._handle.remove()
