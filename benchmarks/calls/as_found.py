"""A module, and the random generators, as they were before a run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def as_found(module: nn.Module | None) -> Iterator[None]:
    """After the block, the parts of a module have their modes, hooks, parameters and buffers of before, on their device
    and in their dtype, and the global random generators go on where they were. Modules that can be copied are; this is
    for others.
    """
    parts = [] if module is None else list(module.modules())
    modes = [(part, part.training) for part in parts]
    tables = [
        (table, dict(table))
        for part in parts
        for name, table in vars(part).items()
        if isinstance(table, dict) and (name in ("_buffers", "_modules") or "_hooks" in name)
    ]
    weights = [] if module is None else [(p, p.data, p.requires_grad) for p in module.parameters()]
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for table, before in tables:
            table.clear()
            table.update(before)
        for parameter, data, requires_grad in weights:
            parameter.data = data
            parameter.requires_grad_(requires_grad)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
