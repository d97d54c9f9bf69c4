"""Loaders of a data set's samples, in order or shuffled, with batches of equal shape where shapes differ."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.loading.equal_shapes import EqualShapes
from datamodules.loading.samples import SampleDataset, collate

Loader = DataLoader[dict[str, Any]]


def ordered(dataset: SampleDataset, batch_size: int, num_workers: int) -> Loader:
    """Every image once: in order, or, where images keep their aspect ratio, in batches of equal shape."""
    batches: dict[str, Any] = {"batch_size": batch_size}
    if dataset.preprocess.keep_aspect:
        batches = {"batch_sampler": EqualShapes(dataset.shapes(), batch_size)}
    return DataLoader(dataset, **batches, **_workers(num_workers))


def shuffled(dataset: SampleDataset, batch_size: int, num_workers: int, seed: int) -> Loader:
    """Every image once, shuffled by ``loader.generator``. A last batch of a single image is left out where all
    images have one shape (batch norm of vectors needs two).
    """
    generator = torch.Generator().manual_seed(seed)
    batches: dict[str, Any] = {
        "batch_size": batch_size,
        "shuffle": True,
        "drop_last": len(dataset) % batch_size == 1 and len(dataset) > batch_size,
    }
    if dataset.preprocess.keep_aspect:
        batches = {"batch_sampler": EqualShapes(dataset.shapes(), batch_size, generator)}
    return DataLoader(dataset, generator=generator, **batches, **_workers(num_workers))


def _workers(num_workers: int) -> dict[str, Any]:
    return {"num_workers": num_workers, "collate_fn": collate, "persistent_workers": num_workers > 0}
