"""Batches of images of equal shape, for networks that accept any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class EqualShapes(Sampler[list[int]]):
    """Batches of at most ``batch_size`` images of equal shape, in the order of their first images.

    No image is distorted, cropped or padded to fit the rest of its batch.

    Args:
        shapes: (H, W) of every image as the network sees it.
        generator: shuffles the images anew in every epoch; None: in order.

    Example:
        >>> list(EqualShapes([(4, 6), (6, 4), (4, 6), (4, 6)], 2))
        [[0, 2], [1], [3]]
    """

    def __init__(
        self, shapes: Sequence[tuple[int, int]], batch_size: int, generator: torch.Generator | None = None
    ) -> None:
        self.shapes, self.batch_size, self.generator = list(shapes), batch_size, generator

    def __len__(self) -> int:
        return sum(-(-count // self.batch_size) for count in Counter(self.shapes).values())

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.arange(len(self.shapes))
        if self.generator is not None:
            order = torch.randperm(len(self.shapes), generator=self.generator)
        batches: list[list[int]] = []
        open_: dict[tuple[int, int], list[int]] = {}
        for index in order.tolist():
            shape = self.shapes[index]
            if shape not in open_:
                open_[shape] = []
                batches.append(open_[shape])
            open_[shape].append(index)
            if len(open_[shape]) == self.batch_size:
                del open_[shape]
        return iter(batches)
