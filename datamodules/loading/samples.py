"""From raw images to the samples and batches a network sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from datamodules.formats.labels import IGNORE
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet, Item
from datamodules.imagesets.subset import Subset
from datamodules.loading.preprocess import Preprocess

UNLABELLED = -1
UNREADABLE = "unreadable"
ANOMALY = "anomaly"
Augment = Callable[[Tensor, Any], tuple[Tensor, Any]]
TargetOf = Callable[[Item, Preprocess], Any]


def class_index(item: Item, preprocess: Preprocess) -> Tensor:
    """The class of an image as an int64 scalar, -1 without one."""
    return torch.tensor(item.target if isinstance(item.target, int) else UNLABELLED)


class SampleDataset(Dataset[dict[str, Any]]):
    """Samples of a set.

    A sample is a dict: "image" (C, H, W) float32 normalised, "target" as the task's ``target_of`` makes it, "key" str;
    with ``masks`` also "anomaly" uint8 of the raw image's size, 1 anomalous, 0 not, 255 unknown; of images with
    anomalies drawn on them also "kind" str, "severity" int and "source" str, the key of the clean image. Where images
    are in memory, targets are classes, and neither augmentation nor masks are asked for, a batch is converted at once.

    Args:
        images: the raw set.
        preprocess: shared by all sets of an experiment.
        target_of: (item, preprocess) -> target, see `datamodules.tasks`.
        augment: (image, target) -> (image, target) on tensors, for training.
        masks: add the anomaly masks.
    """

    def __init__(
        self,
        images: ImageSet,
        preprocess: Preprocess,
        target_of: TargetOf = class_index,
        augment: Augment | None = None,
        masks: bool = False,
    ) -> None:
        self.images, self.preprocess, self.target_of = images, preprocess, target_of
        self.augment, self.masks = augment, masks

    def __len__(self) -> int:
        return len(self.images)

    def shapes(self) -> list[tuple[int, int]]:
        """(H, W) of every sample's image, without decoding it where that is possible."""
        return [self.preprocess.size_of(*self.images.shape(i)) for i in range(len(self))]

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.images.read(index)
        image, target = self.preprocess.image(item.image), self.target_of(item, self.preprocess)
        if self.augment is not None:
            image, target = self.augment(image, target)
        sample = {"image": image, "target": target, "key": item.key}
        if item.kind:
            sample |= {"kind": item.kind, "severity": item.severity, "source": item.source}
        if self.masks:
            sample[ANOMALY] = _mask_of(item)
        return sample

    def _or_reason(self, index: int) -> dict[str, Any]:
        """A sample, or {UNREADABLE: {index: reason}} where its files are at fault."""
        try:
            return self[index]
        except (OSError, ValueError):
            reason = self.images.unreadable(index)
            return self[index] if reason is None else {UNREADABLE: {index: reason}}

    def __getitems__(self, indices: list[int]) -> dict[str, Any] | list[dict[str, Any]]:
        images, rows = self.images, indices
        while isinstance(images, Subset):
            rows, images = [images.indices[i] for i in rows], images.base
        classes = self.target_of is class_index
        if not isinstance(images, ArraySet) or not classes or self.augment is not None or self.masks:
            return [self._or_reason(i) for i in indices]
        labels = np.full(len(rows), UNLABELLED) if images.labels is None else images.labels[rows]
        pixels = torch.from_numpy(images.images[rows]).permute(0, 3, 1, 2)
        return {
            "image": self.preprocess.images(pixels),
            "target": torch.from_numpy(np.asarray(labels, dtype=np.int64)),
            "key": [images.keys[i] for i in rows],
        }


def _mask_of(item: Item) -> Tensor:
    if item.anomaly is None:
        return torch.full(item.image.shape[:2], IGNORE, dtype=torch.uint8)
    return torch.from_numpy(np.ascontiguousarray(item.anomaly, dtype=np.uint8))


def collate(samples: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A batch from samples, or the batch that was made at once; targets with boxes and anomaly masks stay lists.
    {UNREADABLE: {index: reason}} where files of some are at fault.
    """
    if isinstance(samples, dict):
        return samples
    if bad := [sample[UNREADABLE] for sample in samples if UNREADABLE in sample]:
        return {UNREADABLE: {index: reason for one in bad for index, reason in one.items()}}
    lists = [ANOMALY] if ANOMALY in samples[0] else []
    if isinstance(samples[0]["target"], dict):
        lists.append("target")
    rest = [{name: value for name, value in sample.items() if name not in lists} for sample in samples]
    return default_collate(rest) | {name: [sample[name] for sample in samples] for name in lists}
