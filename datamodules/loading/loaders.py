"""Loaders of a data set's samples, in order or shuffled, with batches of equal shape where shapes differ."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, SequentialSampler

from datamodules.imagesets.check import unreadable
from datamodules.loading.equal_shapes import EqualShapes
from datamodules.loading.samples import UNREADABLE, Augment, SampleDataset, collate


class _Planned(Sampler[list[int]]):
    """Batches that are drawn before the workers ask for them."""

    def __init__(self, drawn: Sampler[list[int]]) -> None:
        self.drawn, self.batches = drawn, list[list[int]]()

    def __len__(self) -> int:
        return len(self.drawn)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


class Loader(DataLoader[dict[str, Any]]):
    """Batches of samples, the same for any number of worker processes, and the same draws from the generators.

    Workers read and pre-process; a random augmentation runs in the process that iterates, image after image, with its
    global generator. The batches are drawn as torch's loader without workers draws them.

    Args:
        batch_sampler: of the batches.
        generator: drawn from at every opening; None: the global one.
        augment: (image, target) -> (image, target) on tensors; all images of a batch keep one shape.

    Raises:
        Unreadable: while it is iterated, where files of images are at fault; names these and all others of their set.
    """

    def __init__(
        self,
        dataset: SampleDataset,
        batch_sampler: Sampler[list[int]],
        num_workers: int = 0,
        generator: torch.Generator | None = None,
        augment: Augment | None = None,
    ) -> None:
        self.augment, self._planned = augment, _Planned(batch_sampler)
        super().__init__(
            dataset,
            batch_sampler=self._planned if num_workers else batch_sampler,
            num_workers=num_workers,
            generator=generator,
            collate_fn=collate,
            persistent_workers=num_workers > 0,
        )

    def __iter__(self) -> Any:
        batches = self._whole(self._opened() if self.num_workers else super().__iter__())
        return batches if self.augment is None else self._augmented(batches, self.augment)

    def _opened(self) -> Any:
        """An opening of workers with the draws of one without: some samplers draw at once, others later."""
        generator = self.generator or torch.default_generator
        order = iter(self._planned.drawn)
        torch.empty((), dtype=torch.int64).random_(generator=generator)
        self._planned.batches = list(order)
        state = generator.get_state()
        batches = super().__iter__()
        generator.set_state(state)
        return batches

    def _whole(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for batch in batches:
            if UNREADABLE in batch:
                images: Any = self.dataset
                raise unreadable(images.images, batch[UNREADABLE])
            yield batch

    @staticmethod
    def _augmented(batches: Iterator[dict[str, Any]], augment: Augment) -> Iterator[dict[str, Any]]:
        for batch in batches:
            pairs = [augment(*pair) for pair in zip(batch["image"], batch["target"], strict=True)]
            images, targets = [image for image, _ in pairs], [target for _, target in pairs]
            boxes = isinstance(batch["target"], list)
            yield batch | {
                "image": torch.stack(images),
                "target": targets if boxes else torch.stack(targets),
            }

    def rebatched(self, batch_sampler: Sampler[list[int]], generator: torch.Generator) -> Loader:
        """The same images, augmentation and number of workers in other batches, shuffled by a generator."""
        own: Any = self.dataset
        return Loader(own, batch_sampler, self.num_workers, generator, self.augment)


def ordered(dataset: SampleDataset, batch_size: int, num_workers: int) -> Loader:
    """Every image once: in order, or, where images keep their aspect ratio, in batches of equal shape."""
    batches: Sampler[list[int]] = (
        EqualShapes(dataset.shapes(), batch_size)
        if dataset.preprocess.keep_aspect
        else BatchSampler(SequentialSampler(dataset), batch_size, drop_last=False)
    )
    return Loader(dataset, batches, num_workers)


def shuffled(dataset: SampleDataset, batch_size: int, num_workers: int, seed: int) -> Loader:
    """Every image once, shuffled by ``loader.generator`` and augmented by the loader. A last batch of a single image is
    left out where all images have one shape (batch norm of vectors needs two).
    """
    generator = torch.Generator().manual_seed(seed)
    single = len(dataset) % batch_size == 1 and len(dataset) > batch_size
    batches: Sampler[list[int]] = (
        EqualShapes(dataset.shapes(), batch_size, generator)
        if dataset.preprocess.keep_aspect
        else BatchSampler(RandomSampler(dataset, generator=generator), batch_size, drop_last=single)
    )
    plain = copy.copy(dataset)
    plain.augment = None
    return Loader(plain, batches, num_workers, generator, dataset.augment)
