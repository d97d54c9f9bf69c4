"""From raw images to the samples and batches a network sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from datamodules.imagesets.base import ArraySet, ImageSet, Item, Subset
from datamodules.imagesets.boxes import NO_BOXES, Boxes
from datamodules.loading.preprocess import Preprocess

UNLABELLED = -1
Augment = Callable[[Tensor, Any], tuple[Tensor, Any]]


class SampleDataset(Dataset[dict[str, Any]]):
    """Samples of a set.

    A sample is a dict: "image" (C, H, W) float32 normalised, "target" int64 (scalar, -1 without a label; or
    (H, W) training ids, 255 ignored) or {"boxes": (M, 4) float32 x1 y1 x2 y2 in pixels of "image", "labels": (M,)
    int64, -1 for an object of no known class}, "key" str; with ``masks`` also "anomaly" (H, W) uint8, 1 anomalous, 0
    not, 255 unknown; of images with drawn anomalies also "kind" str, "severity" int and "source" str, the key
    of the clean image. Batches of sets in memory are made at once.

    Args:
        images: the raw set.
        preprocess: shared by all sets of an experiment.
        augment: (image, target) -> (image, target) on tensors, for training.
        dense: targets are maps; unlabelled images get a map of 255.
        masks: add the anomaly masks.
        boxes: targets are boxes; unlabelled images have none.
    """

    def __init__(
        self,
        images: ImageSet,
        preprocess: Preprocess,
        augment: Augment | None = None,
        dense: bool = False,
        masks: bool = False,
        boxes: bool = False,
    ) -> None:
        self.images, self.preprocess, self.augment = images, preprocess, augment
        self.dense, self.masks, self.boxes = dense, masks, boxes

    def __len__(self) -> int:
        return len(self.images)

    def shapes(self) -> list[tuple[int, int]]:
        """(H, W) of every sample's image, without decoding it where that is possible."""
        return [self.preprocess.size_of(*self.images.shape(i)) for i in range(len(self))]

    def _target(self, item: Item) -> Any:
        if self.boxes:
            objects = item.target if isinstance(item.target, Boxes) else NO_BOXES
            corners = self.preprocess.boxes(objects.boxes, *item.image.shape[:2])
            return {"boxes": corners, "labels": torch.from_numpy(objects.classes.copy())}
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
        if (
            not isinstance(images, ArraySet)
            or self.dense
            or self.boxes
            or self.augment is not None
            or self.masks
        ):
            return [self[i] for i in indices]
        labels = np.full(len(rows), UNLABELLED) if images.labels is None else images.labels[rows]
        pixels = torch.from_numpy(images.images[rows]).permute(0, 3, 1, 2)
        return {
            "image": self.preprocess.images(pixels),
            "target": torch.from_numpy(np.asarray(labels, dtype=np.int64)),
            "key": [images.keys[i] for i in rows],
        }


def collate(samples: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A batch from samples, or the batch that was made at once; targets with boxes stay a list."""
    if isinstance(samples, dict):
        return samples
    targets = [sample["target"] for sample in samples]
    if not isinstance(targets[0], dict):
        return default_collate(samples)
    rest = [{name: value for name, value in sample.items() if name != "target"} for sample in samples]
    return default_collate(rest) | {"target": targets}
