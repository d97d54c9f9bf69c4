"""Batches in parts that fit into the memory of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from lsood.extraction.devices import out_of_memory
from lsood.io import log

T = TypeVar("T")
Batch = dict[str, Any]


@dataclass
class BatchLimit:
    """Halves batches that do not fit.

    Attributes:
        size: images of the largest batch from now on; None: none was too large yet.
    """

    size: int | None = None

    def run(self, step: Callable[[Batch], T], batch: Batch) -> Iterator[tuple[Batch, T]]:
        """The parts of a batch in order, each with what the step gave; every image is in one of them.

        Args:
            batch: {name: tensor or list with a row per image}, with "key".

        Raises:
            RuntimeError: a single image is too much.
        """
        waiting = [batch]
        while waiting:
            part = waiting.pop(0)
            images = len(part["key"])
            if self.size is not None and images > self.size:
                waiting[:0] = [_rows(part, i, i + self.size) for i in range(0, images, self.size)]
                continue
            try:
                found = step(part)
            except RuntimeError as error:
                if images == 1 or not out_of_memory(error):
                    raise
                self.size = images // 2
                log.warning("batches of %d images need too much memory: going on with %d", images, self.size)
                waiting.insert(0, part)
            else:
                yield part, found
                continue
            if (
                torch.cuda.is_available()
            ):  # here the error, which holds the tensors of the failed step, is gone
                torch.cuda.empty_cache()


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    return {name: value[start:stop] for name, value in batch.items()}
