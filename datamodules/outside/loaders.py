"""DataLoaders as data: what they load, each image once, in the order of their data set, as the network takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
)

from datamodules.formats.labels import IGNORE
from datamodules.imagesets.base import ImageSet, Item, fingerprint_of

IN_MEMORY = 2 * 2**30
"""Bytes of images that are kept; further ones are read again when they are needed."""
BATCH = 32
IMAGES, TARGETS = ("image", "images", "pixel_values", "x"), ("target", "targets", "label", "labels", "y")
"""Names in batches that are mappings."""
TWICE = 8
"""First images that are read again, to see whether they stay the same."""
CLASSES, MAPS = "classification", "segmentation"


class LoaderSet(ImageSet):
    """What a DataLoader loads. It is read once when it is made; its images then lie in memory, or are read again.

    Images of a data set with indices come in the order of the data set, each once, whatever the loader shuffles, draws
    or drops; of those that a sampler leaves out none. Keys are the indices in six digits.

    Floating-point images, of any shape, are what the network is given. (C, H, W) uint8 images are raw ones as those of
    files: resized, scaled to [0, 1] and normalised.

    Args:
        name: in messages and results.
        loader: of batches (images, targets), {"image", "target"}, or images alone. Targets are (B,) class indices, -1
            for none, or (B, H, W) of classes per pixel, negative ones and 255 are ignored.
        labelled: False: targets are not looked at.
        left: bytes of memory for images.

    Attributes:
        task: that the targets are for; "" without targets.
        image_shape: of an image, e.g. (C, H, W). classes: one more than the largest class that occurs.

    Raises:
        ValueError: other batches, images of several shapes, not finite, or other ones on a second reading; one line.
    """

    origin = "own"

    def __init__(
        self, name: str, loader: DataLoader[Any], labelled: bool = True, left: int = IN_MEMORY
    ) -> None:
        self.name, self._loader, self._labelled = name, loader, labelled
        self._batches = hashlib.sha256()
        self.image_shape: tuple[int, ...] = ()
        self._dtype = torch.float32
        self.task, self.classes = "", 0
        self._images: list[Tensor] | None = []
        self._targets: list[Tensor] = []
        iterable = isinstance(loader.dataset, IterableDataset)
        indices = None if iterable else _indices(loader)
        self.keys, kept = [], 0
        for images, targets in self._read_all(indices):
            places = range(len(self.keys), len(self.keys) + len(images))
            self.keys += [f"{i if indices is None else indices[i]:06d}" for i in places]
            self._check(images, places)
            self._batches.update(images.numpy().tobytes())
            if targets is not None:
                self._targets.append(self._checked_targets(targets, len(images)))
            kept += images.nbytes
            if kept > left and iterable:
                raise ValueError(
                    f"{name}: more than {left / 2**30:.3g} GiB of images of an iterable data set, which cannot be read "
                    "again; give a data set with indices"
                )
            if kept > left:
                self._images = None
            if self._images is not None:
                self._images.append(images)
        if not self.keys:
            raise ValueError(f"{name}: the loader gives no images")
        self._indices = indices
        self.memory = kept if self._images is not None else 0
        self._store = None if self._images is None else torch.cat(self._images)
        self._images = None
        self.targets = torch.cat(self._targets) if self._targets else None
        if self.targets is not None and len(self.targets) != len(self.keys):
            raise ValueError(f"{name}: only {len(self.targets)} of {len(self.keys)} images have targets")
        if self.targets is not None:
            known = (
                self.targets[(self.targets >= 0) & (self.targets != IGNORE)]
                if self.task == MAPS
                else self.targets
            )
            self.classes = int(known.max()) + 1 if known.numel() else 0
        if not iterable:
            self._check_again()

    @property
    def raw(self) -> bool:
        """Whether images are uint8, to be pre-processed."""
        return self._dtype == torch.uint8

    def _read_all(self, indices: Sequence[int] | None) -> Iterator[tuple[Tensor, Tensor | None]]:
        loader = self._loader
        if indices is None:
            batches: Any = loader
        elif loader.batch_sampler is None:  # no batches are made: every entry of the data set is one
            batches = (loader.collate_fn(loader.dataset[i]) for i in indices)
        else:
            size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None) or BATCH
            batches = DataLoader(
                loader.dataset,
                batch_sampler=[indices[i : i + size] for i in range(0, len(indices), size)],  # type: ignore[arg-type]
                num_workers=loader.num_workers,
                collate_fn=loader.collate_fn,
                worker_init_fn=loader.worker_init_fn,
            )
        for batch in batches:
            yield self._parts(batch)

    def _parts(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """Images and targets of a batch, checked for what they are."""
        images, targets = batch, None
        if isinstance(batch, Mapping):
            images, targets = (
                next((batch[name] for name in names if name in batch), None) for names in (IMAGES, TARGETS)
            )
            if images is None:
                raise ValueError(
                    f"{self.name}: a batch with {', '.join(map(str, batch))}; image and target are needed"
                )
        elif isinstance(batch, tuple | list):
            images, targets = (*batch, None, None)[:2]
        if not isinstance(images, Tensor):
            raise ValueError(
                f"{self.name}: batches must be (images, targets) with images a tensor, got "
                f"{type(images).__name__} in {type(batch).__name__}"
            )
        if images.ndim < 2 or not (images.is_floating_point() or images.dtype == torch.uint8):
            kind = str(images.dtype).removeprefix("torch.")
            raise ValueError(
                f"{self.name}: images are {kind} of shape {tuple(images.shape)}; floating-point or uint8 (B, C, H, W) "
                "or (B, D) are needed"
            )
        images = images.detach().cpu()
        return images if images.dtype == torch.uint8 else images.float(), targets if self._labelled else None

    def _check(self, images: Tensor, places: range) -> None:
        shape = tuple(images.shape[1:])
        if not self.image_shape:
            self.image_shape, self._dtype = shape, images.dtype
            if self.raw and (len(shape) != 3 or shape[0] not in (1, 3)):
                raise ValueError(
                    f"{self.name}: uint8 images must be (B, 1 or 3, H, W), got {tuple(images.shape)}"
                )
        if (shape, images.dtype) != (self.image_shape, self._dtype):
            raise ValueError(
                f"{self.name}: images of {_text(self.image_shape)} and of {_text(shape)} in one loader; one shape and "
                "one dtype are needed"
            )
        if not self.raw and not bool(images.isfinite().all()):
            row = int((~images.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"{self.name}: image {self.keys[places[row]]} holds NaN or infinity")

    def _checked_targets(self, targets: Any, images: int) -> Tensor:
        if isinstance(targets, list | tuple) and targets and isinstance(targets[0], Mapping):
            raise ValueError(
                f"{self.name}: targets with boxes; object detection takes its data from coco:DIR or a data module"
            )
        if not isinstance(targets, Tensor):
            targets = torch.as_tensor(targets) if _integers(targets) else targets
        whole = (
            isinstance(targets, Tensor) and not targets.is_floating_point() and targets.dtype != torch.bool
        )
        if not whole or targets.ndim not in (1, 3) or len(targets) != images:
            told = tuple(targets.shape) if isinstance(targets, Tensor) else type(targets).__name__
            kind = f"{str(targets.dtype).removeprefix('torch.')} " if isinstance(targets, Tensor) else ""
            raise ValueError(
                f"{self.name}: targets are {kind}{told}; class indices (B,) or maps of them (B, H, W) are needed"
            )
        task = CLASSES if targets.ndim == 1 else MAPS
        if self.task not in ("", task):
            raise ValueError(f"{self.name}: targets of images and of pixels in one loader")
        self.task = task
        targets = targets.long().cpu()
        if task == CLASSES:
            return targets.clamp_min(-1)
        if tuple(targets.shape[1:]) != self.image_shape[-2:] or len(self.image_shape) != 3:
            raise ValueError(
                f"{self.name}: maps of {_text(targets.shape[1:])} for images of {_text(self.image_shape)}; one size is "
                "needed"
            )
        if int(targets.max()) > IGNORE:
            raise ValueError(
                f"{self.name}: a class {int(targets.max())} in maps; classes are 0 to {IGNORE - 1}"
            )
        return torch.where(targets < 0, IGNORE, targets)

    def _check_again(self) -> None:
        """Raise where the data set gives other images on a second reading."""
        for index in range(min(TWICE, len(self))):
            if self._store is not None and not torch.equal(self._again(index), self._store[index]):
                raise ValueError(
                    f"{self.name}: image {self.keys[index]} is another one on a second reading; evaluate without "
                    "random augmentation"
                )
            if self._store is None and not torch.equal(self._again(index), self._again(index)):
                raise ValueError(
                    f"{self.name}: image {self.keys[index]} is another one on every reading; evaluate without random "
                    "augmentation"
                )

    def _again(self, index: int) -> Tensor:
        """One image, read from the data set."""
        assert self._indices is not None
        entry = self._loader.dataset[self._indices[index]]
        if self._loader.batch_sampler is None:
            raise ValueError(f"{self.name}: a data set of batches that is larger than the memory for images")
        return self._parts(self._loader.collate_fn([entry]))[0][0]

    def read(self, index: int) -> Item:
        image: Any = self._again(index) if self._store is None else self._store[index]
        if self.raw:
            image = image.permute(1, 2, 0).numpy()
        return Item(image, self._target(index), self.keys[index])

    def _target(self, index: int) -> int | NDArray[np.uint8] | None:
        if self.targets is None:
            return None
        target = self.targets[index]
        return int(target) if target.ndim == 0 else target.numpy().astype(np.uint8)

    def shape(self, index: int) -> tuple[int, int]:
        return (
            (self.image_shape[-2], self.image_shape[-1])
            if len(self.image_shape) > 1
            else (1, self.image_shape[-1])
        )

    @cached_property
    def fingerprint(self) -> str:
        """Over the values of images and targets."""
        targets = b"" if self.targets is None else self.targets.numpy().tobytes()
        digest = hashlib.sha256(targets).hexdigest()
        return fingerprint_of(
            "loader", self.image_shape, self._dtype, *self.keys, self._batches.hexdigest(), digest
        )


def _indices(loader: DataLoader[Any]) -> list[int]:
    """Indices of the data set that a loader can give, in order."""
    sampler = loader.sampler
    if loader.batch_sampler is not None and loader.batch_size is None:  # batches of the user's own
        sampler = getattr(loader.batch_sampler, "sampler", sampler)
    every = isinstance(sampler, SequentialSampler | RandomSampler | WeightedRandomSampler)
    size = len(loader.dataset)  # type: ignore[arg-type]
    return list(range(size)) if every else sorted({int(i) for i in sampler})


def _integers(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, int) for value in values)


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
