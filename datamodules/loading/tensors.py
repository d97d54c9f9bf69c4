"""Sets of tensors that a network is given as they are, or of raw uint8 images, with classes or maps of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.formats.labels import IGNORE
from datamodules.imagesets.base import ImageSet, Item, fingerprint_of

CLASSES, MAPS = "classification", "segmentation"


class TensorSet(ImageSet):
    """Tensors in memory.

    Args:
        tensors: (N, ...) float32, what the network is given; or (N, C, H, W) uint8, raw images as those of files.
        targets: (N,) int64 class indices, -1: none; (N, H, W) of classes per pixel, 255: ignored; None: no targets.
        keys: N of them; None: positions in six digits.
    """

    origin = "own"

    def __init__(
        self, name: str, tensors: Tensor, targets: Tensor | None = None, keys: Sequence[str] | None = None
    ) -> None:
        self.name, self.tensors, self.targets = name, tensors, targets
        self.keys = [f"{i:06d}" for i in range(len(tensors))] if keys is None else list(keys)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of one of them, e.g. (C, H, W)."""
        return tuple(self.tensors.shape[1:])

    @property
    def raw(self) -> bool:
        """Whether they are uint8 images, to be pre-processed."""
        return self.tensors.dtype == torch.uint8

    @property
    def task(self) -> str:
        """The task that the targets are for; "" without."""
        return "" if self.targets is None else CLASSES if self.targets.ndim == 1 else MAPS

    @property
    def classes(self) -> int:
        """One more than the largest class that occurs; 0 without."""
        if self.targets is None:
            return 0
        known = self.targets if self.task == CLASSES else self.targets[self.targets != IGNORE]
        return max(int(known.max()) + 1, 0) if known.numel() else 0

    def tensor(self, index: int) -> Tensor:
        """The one at a position."""
        return self.tensors[index]

    def read(self, index: int) -> Item:
        image: Any = self.tensor(index)
        return Item(
            image.permute(1, 2, 0).numpy() if self.raw else image, self._target(index), self.keys[index]
        )

    def _target(self, index: int) -> int | NDArray[np.uint8] | None:
        if self.targets is None:
            return None
        target = self.targets[index]
        return int(target) if target.ndim == 0 else target.numpy().astype(np.uint8)

    def shape(self, index: int) -> tuple[int, int]:
        shape = (1, 1, *self.image_shape)
        return shape[-2], shape[-1]

    @cached_property
    def fingerprint(self) -> str:
        """Over values, targets and keys."""
        content = self._content()
        if self.targets is not None:
            content.update(np.ascontiguousarray(self.targets.numpy()).data)
        return fingerprint_of("tensors", self.raw, self.image_shape, *self.keys, content.hexdigest())

    def _content(self) -> Any:
        return hashlib.sha256(np.ascontiguousarray(self.tensors.numpy()).data)
