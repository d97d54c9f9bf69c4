"""From raw images to the samples and batches a network sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from datamodules.imageset import ArraySet, ImageSet, Item, Subset
from datamodules.preprocess import Preprocess

UNLABELLED = -1
Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class SampleDataset(Dataset[dict[str, Any]]):
    """Samples of a set.

    A sample is a dict: "image" (C, H, W) float32 normalised, "target" int64 (scalar, -1 without a label; or
    (H, W) training ids, 255 ignored), "key" str; with ``masks`` also "anomaly" (H, W) uint8, 1 anomalous, 0
    not, 255 unknown; of images with drawn anomalies also "kind" str, "severity" int and "source" str, the key
    of the clean image. Batches of sets in memory are made at once.

    Args:
        images: the raw set.
        preprocess: shared by all sets of an experiment.
        augment: (image, target) -> (image, target) on tensors, for training.
        dense: targets are maps; unlabelled images get a map of 255.
        masks: add the anomaly masks.
    """

    def __init__(
        self,
        images: ImageSet,
        preprocess: Preprocess,
        augment: Augment | None = None,
        dense: bool = False,
        masks: bool = False,
    ) -> None:
        self.images, self.preprocess, self.augment, self.dense, self.masks = (
            images,
            preprocess,
            augment,
            dense,
            masks,
        )

    def __len__(self) -> int:
        return len(self.images)

    def _target(self, item: Item) -> Tensor:
        if isinstance(item.target, np.ndarray) and self.dense:
            return self.preprocess.mask(item.target)
        if self.dense:
            return torch.full(self.preprocess.image_size, 255)
        return torch.tensor(item.target if isinstance(item.target, int) else UNLABELLED)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.images.read(index)
        image, target = self.preprocess.image(item.image), self._target(item)
        if self.augment is not None:
            image, target = self.augment(image, target)
        sample = {"image": image, "target": target, "key": item.key}
        if item.kind:
            sample |= {"kind": item.kind, "severity": item.severity, "source": item.source}
        if self.masks:
            sample["anomaly"] = (
                torch.full(self.preprocess.image_size, 255, dtype=torch.uint8)
                if item.anomaly is None
                else self.preprocess.mask(item.anomaly).byte()
            )
        return sample

    def __getitems__(self, indices: list[int]) -> dict[str, Any] | list[dict[str, Any]]:
        images, rows = self.images, indices
        while isinstance(images, Subset):
            rows, images = [images.indices[i] for i in rows], images.base
        if not isinstance(images, ArraySet) or self.dense or self.augment is not None or self.masks:
            return [self[i] for i in indices]
        labels = np.full(len(rows), UNLABELLED) if images.labels is None else images.labels[rows]
        pixels = torch.from_numpy(images.images[rows]).permute(0, 3, 1, 2)
        return {
            "image": self.preprocess.images(pixels),
            "target": torch.from_numpy(np.asarray(labels, dtype=np.int64)),
            "key": [images.keys[i] for i in rows],
        }


def collate(samples: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A batch from samples, or the batch that was made at once."""
    return samples if isinstance(samples, dict) else default_collate(samples)
