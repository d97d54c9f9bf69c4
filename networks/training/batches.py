"""The batches of a training, each with a batch of outliers if there are outliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader


class Batches:
    """The batches of ``train``; with ``outliers`` each has ``batch["outliers"]``, images of their next batch.

    An epoch has the length of ``train``. The outliers are cycled through, reshuffled if their loader shuffles. No
    random number is used before the first batch is requested: Lightning opens the loader before the seeds of the
    first epoch are set, but after those of the other epochs.

    Attributes:
        loaders: ``train`` and, if any, ``outliers``.

    Raises:
        ValueError: a loader of outliers without a batch, or outliers of another size.
    """

    def __init__(self, train: DataLoader[Any], outliers: DataLoader[Any] | None = None) -> None:
        if outliers is not None and not len(outliers):
            raise ValueError("the loader of outliers has no batch; give it more images or smaller batches")
        self.loaders = (train,) if outliers is None else (train, outliers)

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        train, *outliers = self.loaders
        if not outliers:
            yield from train
            return
        for batch, images in zip(train, _forever(outliers[0]), strict=False):
            shape, other = tuple(batch["image"].shape[1:]), tuple(images.shape[1:])
            if shape != other:
                raise ValueError(f"outliers have shape {other}, the training images {shape}; resize them")
            yield {**batch, "outliers": images}


def _forever(loader: DataLoader[Any]) -> Iterator[Tensor]:
    while True:
        for batch in loader:
            yield batch["image"]
