"""Semantic segmentation: the target is a map of training ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datamodules.formats.labels import IGNORE
from datamodules.imagesets.base import Item
from datamodules.loading.augment import crop_and_flip
from datamodules.loading.preprocess import Preprocess
from datamodules.tasks.base import Task


class Segmentation(Task):
    """(H, W) int64 targets, 255 is ignored; images are zoomed, mirrored and change contrast in training."""

    task = "segmentation"
    masks = True
    augment = staticmethod(crop_and_flip)

    @staticmethod
    def target_of(item: Item, preprocess: Preprocess) -> Tensor:
        """The label map in the network's size; 255 everywhere without one."""
        if isinstance(item.target, np.ndarray):
            return preprocess.label_map(item.target)
        if isinstance(item.image, Tensor):
            return torch.full(item.image.shape[-2:], IGNORE)
        return torch.full(preprocess.size_of(*item.image.shape[:2]), IGNORE)

    @staticmethod
    def label_classes(class_names: Sequence[str]) -> tuple[str, ...]:
        """All of them."""
        return tuple(class_names)
