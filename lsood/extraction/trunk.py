"""Repeated stochastic passes that begin at the first dropout layer: what lies before it runs once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from lsood.extraction.sampling import random_layers


@contextmanager
def trunk_once(network: nn.Module) -> Iterator[None]:
    """Inside the block, for passes of one and the same batch: the first runs as ever, in the further ones the
    modules that were done before any dropout layer began give their outputs again. Exact in evaluation mode.

    Modules called more than once in a pass, and functions outside of modules, run each time. Outputs are handed
    out as copies, so that what changes them in place does no harm.
    """
    random = set(random_layers(network).values())
    outputs: dict[nn.Module, Tensor] = {}
    calls: Counter[nn.Module] = Counter()
    reached = False

    def begin(module: nn.Module, args: Any) -> None:
        nonlocal reached
        reached |= module in random
        calls[module] += 1

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if module is network:
            replay()
        elif not reached and isinstance(output, Tensor):
            for inner in module.modules():
                outputs.pop(inner, None)
            outputs[module] = output.clone()

    handles = [module.register_forward_pre_hook(begin) for module in network.modules()]
    handles += [module.register_forward_hook(keep) for module in network.modules()]

    def replay() -> None:
        for handle in handles:
            handle.remove()
        for module in [module for module in outputs if calls[module] > 1]:
            del outputs[module]
        for module, output in outputs.items():
            module.forward = lambda *_, output=output, **__: output.clone()  # type: ignore[method-assign]

    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in outputs:
            vars(module).pop("forward", None)
