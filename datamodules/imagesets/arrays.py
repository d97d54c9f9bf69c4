"""Sets of images in memory."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.base import ImageSet, Item, fingerprint_of


class ArraySet(ImageSet):
    """Images in memory: (N, H, W, C) uint8, with (N,) int labels or None.

    Args:
        prefix: of the keys, which count the images in six digits.
        synthetic: "noise" where they are.

    Raises:
        ValueError: no images.
    """

    def __init__(
        self,
        name: str,
        images: NDArray[np.uint8],
        labels: NDArray[Any] | None,
        origin: str,
        prefix: str = "",
        synthetic: str = "",
    ) -> None:
        if len(images) == 0:
            raise ValueError(f"{name}: no images")
        self.name, self.images, self.labels, self.origin = name, images, labels, origin
        self.synthetic = synthetic
        self.keys = [f"{prefix}{i:06d}" for i in range(len(images))]

    def shape(self, index: int) -> tuple[int, int]:
        return self.images.shape[1], self.images.shape[2]

    def read(self, index: int) -> Item:
        label = None if self.labels is None else int(self.labels[index])
        return Item(self.images[index], label, self.keys[index])

    @cached_property
    def fingerprint(self) -> str:
        """Over the contents."""
        content = hashlib.sha256(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            content.update(np.ascontiguousarray(self.labels, dtype=np.int64).data)
        return fingerprint_of(self.name, self.keys[0], content.hexdigest())
