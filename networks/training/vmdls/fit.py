"""Training of a VMDLS network and of its autoencoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from networks.models.autoencoder import Autoencoder
from networks.models.vmdls import VMDLSNet
from networks.training.config import TrainingConfig
from networks.training.fit import fit_module
from networks.training.vmdls.batches import BalancedBatches
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.modules import AutoencoderModule, VMDLSModule


def fit_vmdls(
    network: VMDLSNet,
    train_loader: DataLoader[Any],
    labels: Tensor,
    val_loader: DataLoader[Any],
    config: VMDLSTrainingConfig,
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Train a VMDLS network in place, as `networks.fit` trains a classifier: seeded, resumable.

    Differences from the paper: no smaller B_s in the first 150 epochs (as in the released code); the weights of the
    last epoch are kept (the released code keeps those with the best result on the test and unknown images); Adam has
    decoupled weight decay.

    Args:
        train_loader: its data set, ``collate_fn`` and number of workers are used, its batches are not; a loader that
            augments makes the new one by its ``rebatched(batch_sampler, generator)``.
        labels: (N,) int64 class index of every image of that data set.
        val_loader: held-out batches.
        config, work_dir, device, seed, progress: see `networks.fit`.

    Returns:
        {"accuracy": of the nearest class mean, "loss": ...} on the validation set.

    Raises:
        ValueError: also labels that do not fit the data set or the config.
    """
    images = len(train_loader.dataset)  # type: ignore[arg-type]
    if len(labels) != images:
        raise ValueError(f"{len(labels)} labels for {images} training images")
    order = torch.Generator().manual_seed(seed)
    batches = BalancedBatches(labels, config.classes_per_batch, config.images_per_class, order)
    rebatched = getattr(train_loader, "rebatched", None)  # of loaders that augment by themselves
    balanced = (
        rebatched(batches, order)
        if rebatched is not None
        else DataLoader(
            train_loader.dataset,
            batch_sampler=batches,
            collate_fn=train_loader.collate_fn,
            num_workers=train_loader.num_workers,
            persistent_workers=train_loader.num_workers > 0,
            generator=order,
        )
    )
    module = VMDLSModule(network, config, int(labels.max()) + 1)
    return fit_module(module, balanced, val_loader, work_dir, device, seed, progress)


def fit_autoencoder(
    network: Autoencoder,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    config: TrainingConfig,
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Train an autoencoder in place on the images of the batches, as `networks.fit` trains a classifier.

    Returns:
        {"mse": ..., "loss": ...} on the validation set.
    """
    return fit_module(
        AutoencoderModule(network, config), train_loader, val_loader, work_dir, device, seed, progress
    )
