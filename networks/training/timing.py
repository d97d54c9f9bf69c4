"""How long a training step takes here."""

from __future__ import annotations

import copy
import time
import warnings
from contextlib import nullcontext
from itertools import cycle, islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from networks.training.config import TrainingConfig, resolve_precision
from networks.training.fit import TASKS
from networks.training.module import TrainingModule
from networks.training.trainer import device_of, quiet


def step_seconds(
    network: nn.Module,
    task: str,
    num_classes: int,
    loader: DataLoader[Any],
    config: TrainingConfig,
    device: str = "cpu",
    steps: int = 2,
) -> float:
    """Seconds that a step of `networks.fit` takes, loading included: the mean of some, after one that does not count.
    The network stays as it is. Validation, compilation and saving are not in it.

    Args:
        loader: batches of the config's size.
    """
    where, kind = device_of(device), TASKS.find(task)
    module: TrainingModule = kind(copy.deepcopy(network).requires_grad_(True), config, num_classes)
    module.to(where).train()
    optimizer = module._optimizer()
    reduced = resolve_precision(config, where) == "bf16-mixed"
    batches, start = islice(cycle(loader), 1 + steps), 0.0
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no trainer to log to
        for index in range(1 + steps):
            start = time.perf_counter() if index == 1 else start
            batch = module.transfer_batch_to_device(next(batches), where, 0)
            with torch.autocast(where.type, torch.bfloat16) if reduced else nullcontext():
                loss = module.training_step(batch, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            float(loss)  # waits for the device
    return (time.perf_counter() - start) / steps
