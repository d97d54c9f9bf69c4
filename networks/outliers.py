"""In-distribution batches with a batch of outliers beside each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader


class WithOutliers:
    """The batches of ``train``, each with ``batch["outliers"]``: images of the next batch of ``outliers``.

    An epoch is one of ``train``; the outliers start anew where they end, shuffled anew if their loader
    shuffles.

    Attributes:
        loaders: both.

    Raises:
        ValueError: no batch of outliers, or images of another size.
    """

    def __init__(self, train: DataLoader[Any], outliers: DataLoader[Any]) -> None:
        if not len(outliers):
            raise ValueError("the loader of outliers has no batch; give it more images or smaller batches")
        self.loaders = (train, outliers)

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        train, outliers = self.loaders
        for batch, images in zip(train, _forever(outliers), strict=False):
            shape, other = tuple(batch["image"].shape[1:]), tuple(images.shape[1:])
            if shape != other:
                raise ValueError(f"outliers have shape {other}, the training images {shape}; resize them")
            yield {**batch, "outliers": images}


def _forever(loader: DataLoader[Any]) -> Iterator[Tensor]:
    while True:
        for batch in loader:
            yield batch["image"]
