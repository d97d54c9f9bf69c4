"""Repeated stochastic passes that begin at the first dropout layer: what lies before it runs once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from lsood.extraction.hook import version
from lsood.extraction.sampling import random_layers
from lsood.extraction.unlisted import FunctionalDropout


@contextmanager
def trunk_once(network: nn.Module) -> Iterator[None]:
    """Inside the block, for passes of one and the same batch: the first runs as ever, in the further ones the
    modules that were done before any dropout layer (or function) began give their outputs again. Exact in evaluation
    mode.

    Modules called more than once in a pass, modules that change their input in place or whose output shares memory
    with it and is changed later, and functions outside of modules, run each time. Outputs are handed out as copies, so
    that what changes them in place does no harm.
    """
    random = set(random_layers(network).values())
    outputs: dict[nn.Module, Tensor] = {}
    calls: Counter[nn.Module] = Counter()
    given: dict[nn.Module, list[int | None]] = {}
    shared: dict[nn.Module, tuple[Tensor, int | None]] = {}
    reached = False

    def begin(module: nn.Module, args: Any) -> None:
        nonlocal reached
        reached |= module in random
        calls[module] += 1
        given[module] = [version(one) for one in _tensors(args)]

    def function(layer: nn.Module, features: Tensor) -> None:
        nonlocal reached
        reached = True

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if module is network:
            replay()
        elif not reached and isinstance(output, Tensor):
            tensors = list(_tensors(args))
            versions = [version(one) for one in tensors]
            if None in versions or versions != given[module]:
                return
            if any(_same_memory(output, one) for one in tensors):
                shared[module] = (output, version(output))
            for inner in module.modules():
                outputs.pop(inner, None)
            outputs[module] = output.clone()

    handles = [module.register_forward_pre_hook(begin) for module in network.modules()]
    handles += [module.register_forward_hook(keep) for module in network.modules()]

    def replay() -> None:
        for handle in handles:
            handle.remove()
        changed = {module for module, (output, then) in shared.items() if version(output) != then}
        for module in [module for module in outputs if calls[module] > 1 or module in changed]:
            del outputs[module]
        shared.clear()
        for module, output in outputs.items():
            module.forward = lambda *_, output=output, **__: output.clone()  # type: ignore[method-assign]

    try:
        with FunctionalDropout(function):
            yield
    finally:
        for handle in handles:
            handle.remove()
        for module in outputs:
            vars(module).pop("forward", None)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Tensors among values, those in lists and tuples included."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
