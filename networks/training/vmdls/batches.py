"""Class-balanced batches of a VMDLS training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler


class BalancedBatches(Sampler[list[int]]):
    """Batches of ``classes`` random classes with ``size`` random images each; as many batches as fill the set
    once.

    A class's images come in random order, all of them before any comes again, except for a rest smaller than
    ``size``; a class that has fewer images repeats them.

    Args:
        labels: (N,) class index of every image.
        classes, size: B_c and B_s.
        generator: all randomness; seed it to repeat an epoch.

    Raises:
        ValueError: fewer classes than asked for, labels that are no class indices, or too few images for a batch.
    """

    def __init__(self, labels: Tensor, classes: int, size: int, generator: torch.Generator) -> None:
        if labels.ndim != 1 or labels.is_floating_point() or len(labels) == 0 or int(labels.min()) < 0:
            raise ValueError(f"labels must be class indices (N,), at least 0; got {tuple(labels.shape)}")
        self.rows = [(labels == k).nonzero()[:, 0] for k in labels.unique().tolist()]
        if len(self.rows) < classes:
            raise ValueError(f"batches of {classes} classes need as many, the labels hold {len(self.rows)}")
        if len(labels) < classes * size:
            raise ValueError(f"a batch of {classes} x {size} images needs as many, there are {len(labels)}")
        self.classes, self.size, self.generator = classes, size, generator
        self.batches = len(labels) // (classes * size)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        waiting = [rows[:0] for rows in self.rows]
        for _ in range(self.batches):
            batch: list[int] = []
            for k in torch.randperm(len(self.rows), generator=self.generator)[: self.classes].tolist():
                if len(waiting[k]) < self.size:
                    waiting[k] = self._shuffled(self.rows[k])
                batch += waiting[k][: self.size].tolist()
                waiting[k] = waiting[k][self.size :]
            yield batch

    def _shuffled(self, rows: Tensor) -> Tensor:
        repeats = range(-(-self.size // len(rows)))
        return torch.cat([rows[torch.randperm(len(rows), generator=self.generator)] for _ in repeats])
