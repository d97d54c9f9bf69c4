"""The batches of a training, each with a batch of outliers if there are any, and how often classes are labelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from networks.training.losses import IGNORE


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


def label_counts(loader: DataLoader[Any], num_classes: int) -> Tensor:
    """(K,) int64: how many elements (images, or pixels of label maps) of the loader's data set are of each class,
    without augmentation by the loader. Draws no random number.

    Raises:
        ValueError: no element is labelled, or labels are boxes.
    """
    dataset: Any = loader.dataset
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for index in range(len(dataset)):
        target = dataset[index]["target"]
        if isinstance(target, dict):
            raise ValueError("class weights need one class per image or pixel, not boxes")
        known = torch.as_tensor(target).flatten()
        known = known[(known >= 0) & (known < num_classes) & (known != IGNORE)]
        counts += torch.bincount(known, minlength=num_classes)
    if not counts.any():
        raise ValueError("class weights need labels, and nothing of the training set is labelled")
    return counts
