"""DataLoaders as data: what they load, each image once, in the order of their data set, as the network takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
)

from datamodules.loading.targets import checked_targets, told_of
from datamodules.loading.tensors import TensorSet
from lsood.text import reason

IN_MEMORY = 2 * 2**30
"""Bytes of images that are kept; further ones are read again when they are needed."""
BATCH = 32
IMAGES, TARGETS = ("image", "images", "pixel_values", "x"), ("target", "targets", "label", "labels", "y")
"""Names in batches that are mappings."""
TWICE = 8
"""First images that are read again, to see whether they stay the same."""


class LoaderSet(TensorSet):
    """What a DataLoader loads. It is read once when the set is made; then its images lie in memory or are read again.

    Images of a data set with indices come in the order of these, each once, whatever the loader shuffles, repeats or
    drops; only those are left out that its sampler never gives. Keys are the indices in six digits.

    Floating-point images, of any shape, are what the network is given. (C, H, W) uint8 images are raw ones as those of
    files: resized, scaled to [0, 1] and normalised.

    Args:
        name: in messages and results.
        loader: of batches (images, targets), {"image", "target"}, or images alone. Targets are (B,) class indices,
            negative: none, or (B, H, W) of classes per pixel, negative and 255: ignored.
        labelled: False: targets are not looked at.
        left: bytes of memory for images.

    Attributes:
        memory: bytes of images in memory.

    Raises:
        ValueError: other batches, images of several shapes, not finite, other ones on a second reading, or a data set
            that raises; one line.
    """

    def __init__(
        self, name: str, loader: DataLoader[Any], labelled: bool = True, left: int = IN_MEMORY
    ) -> None:
        self.name, self._loader, self._labelled = name, loader, labelled
        iterable = isinstance(loader.dataset, IterableDataset)
        self._indices = None if iterable else _indices(loader)
        self._sha256, kept, targets = hashlib.sha256(), list[Tensor](), list[Tensor]()
        self.keys, self.memory, whole = [], 0, True
        for images, own in self._batches():
            self._check(images, kept[0] if kept else images)
            self._sha256.update(images.numpy().tobytes())
            targets += [] if own is None else [checked_targets(self.name, own, images)]
            self.memory += images.nbytes
            whole = whole and self.memory <= left
            if iterable and not whole:
                raise ValueError(
                    f"{name}: more than {left / 2**30:.3g} GiB of images of an iterable data set, which cannot be read "
                    "again; give a data set with indices"
                )
            if whole:
                kept.append(images)
            else:
                kept = [images[:1]]
        if not self.keys:
            raise ValueError(f"{name}: the loader gives no images")
        if len({found.ndim for found in targets}) > 1 or sum(map(len, targets)) not in (0, len(self.keys)):
            raise ValueError(f"{name}: targets of one kind are needed for all images, or for none")
        super().__init__(name, torch.cat(kept), torch.cat(targets) if targets else None, self.keys)
        self.memory = self.memory if whole else 0
        self._whole = whole
        self._check_again()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Images and targets, every image once; their keys are taken."""
        loader, indices = self._loader, self._indices
        batches: Any = loader
        size = 1
        if indices is not None and loader.batch_sampler is None:  # every entry of the data set is a batch
            batches = (loader.collate_fn(loader.dataset[i]) for i in indices)
        elif indices is not None:
            size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None) or BATCH
            batches = DataLoader(
                loader.dataset,
                batch_sampler=[list(indices[i : i + size]) for i in range(0, len(indices), size)],
                num_workers=loader.num_workers,
                collate_fn=loader.collate_fn,
                worker_init_fn=loader.worker_init_fn,
            )
        single = indices is not None and loader.batch_sampler is not None
        for batch in self._loaded(batches, size):
            images, targets = self._parts(batch)
            place = len(self.keys)
            own = (
                indices[place : place + len(images)]
                if single and indices is not None
                else range(place, place + len(images))
            )
            if len(own) != len(images):
                raise ValueError(f"{self.name}: collate_fn returns another number of images than it is given")
            self.keys += [f"{i:06d}" for i in own]
            yield images, targets

    def _loaded(self, batches: Iterable[Any], size: int) -> Iterator[Any]:
        """The batches, of so many entries; what loading raises becomes one line with the name of the set."""
        running, count = iter(batches), 0
        while True:
            try:
                batch = next(running)
            except StopIteration:
                return
            except Exception as error:
                if self._indices is not None:
                    self._explain(self._indices[count * size : (count + 1) * size])
                raise ValueError(
                    f"{self.name}: no batch after image {len(self.keys)}: {reason(error)}"
                ) from error
            yield batch
            count += 1

    def _explain(self, indices: Sequence[int]) -> None:
        """Raise ValueError for what hinders entries from being read and made a batch, if it is found."""
        first: Tensor | None = None
        for i in indices:
            try:
                entry = self._loader.dataset[i]
            except Exception as error:
                raise ValueError(f"{self.name}: image {i:06d} cannot be read: {reason(error)}") from error
            single = self._loader.batch_sampler is not None
            if (isinstance(entry, tuple | list) and any(part is None for part in entry)) or (
                isinstance(entry, Mapping) and any(part is None for part in entry.values())
            ):
                raise ValueError(
                    f"{self.name}: image {i:06d} has None for its image or target; -1 is no class"
                )
            try:
                batch = self._loader.collate_fn([entry] if single else entry)
            except Exception as error:
                raise ValueError(f"{self.name}: no batch of image {i:06d}: {reason(error)}") from error
            images, _ = self._parts(batch)
            first = images if first is None else first
            self._check_alike(images, first)

    def _parts(self, batch: Any) -> tuple[Tensor, Any]:
        """Images and targets of a batch."""
        images, targets = batch, None
        if isinstance(batch, Mapping):
            images, targets = (
                next((batch[name] for name in names if name in batch), None) for names in (IMAGES, TARGETS)
            )
            if images is None:
                raise ValueError(
                    f"{self.name}: a batch of {', '.join(map(str, batch))}; image and target are needed"
                )
        elif isinstance(batch, tuple | list):
            images, targets = (*batch, None, None)[:2]
        if not isinstance(images, Tensor):
            raise ValueError(
                f"{self.name}: batches must be (images, targets) with images a tensor, got {type(images).__name__}"
            )
        images = images.detach().cpu()
        if images.ndim < 2 or not (images.is_floating_point() or images.dtype == torch.uint8):
            raise ValueError(
                f"{self.name}: images are {told_of(images)}; floating-point or uint8 (B, C, H, W), or floating-point "
                "(B, D) are needed"
            )
        raw = images.dtype == torch.uint8
        if raw and (images.ndim != 4 or images.shape[1] not in (1, 3)):
            raise ValueError(
                f"{self.name}: images are {told_of(images)}; uint8 ones must be (B, 1 or 3, H, W)"
            )
        return images if raw else images.float(), targets if self._labelled else None

    def _check_alike(self, images: Tensor, first: Tensor) -> None:
        if (images.shape[1:], images.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(
                f"{self.name}: images are {told_of(first)} and {told_of(images)}; one shape and one dtype are needed"
            )

    def _check(self, images: Tensor, first: Tensor) -> None:
        self._check_alike(images, first)
        finite = images.is_floating_point() and not bool(images.isfinite().all())
        if finite:
            row = int((~images.isfinite()).flatten(1).any(1).nonzero()[0])
            raise ValueError(f"{self.name}: image {self.keys[row - len(images)]} holds NaN or infinity")

    def _check_again(self) -> None:
        """Raise where the data set gives other images on a second reading."""
        batches = self._loader.batch_sampler is None
        if self._indices is None or (batches and self._whole):
            return
        if batches:
            raise ValueError(f"{self.name}: a data set of batches must fit into {IN_MEMORY / 2**30:.3g} GiB")
        for index in range(min(TWICE, len(self))):
            first = self.tensors[index] if self._whole else self._again(index)
            if not torch.equal(self._again(index), first):
                raise ValueError(
                    f"{self.name}: image {self.keys[index]} is another one on a second reading: leave out random "
                    "augmentation"
                )

    def _again(self, index: int) -> Tensor:
        assert self._indices is not None
        entry = self._loader.dataset[self._indices[index]]
        return self._parts(self._loader.collate_fn([entry]))[0][0]

    def tensor(self, index: int) -> Tensor:
        return self.tensors[index] if self._whole else self._again(index)

    def _content(self) -> Any:
        return self._sha256


def _indices(loader: DataLoader[Any]) -> Sequence[int]:
    """Indices of the data set that a loader can give, in order."""
    sampler: Any = loader.sampler
    if loader.batch_sampler is not None and loader.batch_size is None:  # batches of the user's own
        sampler = getattr(loader.batch_sampler, "sampler", None)
    if sampler is None or isinstance(sampler, SequentialSampler | RandomSampler | WeightedRandomSampler):
        return range(len(loader.dataset))  # type: ignore[arg-type]
    return sorted({int(i) for i in sampler})
