"""Callbacks of `fit`: seeds per epoch, so that an interruption does not change them, an end where weights are NaN, and
log lines.
"""

from __future__ import annotations

import random

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from lsood.io import log
from networks.training.batches import Batches


class EpochSeeds(Callback):
    """Seed every generator from (seed, epoch) before each epoch.

    An epoch then draws the same batches, augmentation and dropout masks whether the epochs before it ran in
    this process or in one that was interrupted.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Runs before the first batch of the epoch is loaded."""
        words = np.random.SeedSequence([self.seed, trainer.current_epoch]).generate_state(2).tolist()
        torch.manual_seed(words[0])
        random.seed(words[0])
        np.random.seed(words[0])  # noqa: NPY002 - a user's augmentation may draw from it
        assert isinstance(trainer.train_dataloader, Batches)
        for loader in trainer.train_dataloader.loaders:
            generator = getattr(loader, "generator", None)
            if isinstance(generator, torch.Generator):
                generator.manual_seed(words[1])


class FiniteWeights(Callback):
    """Ends a training whose weights are no numbers any more, before the state of that epoch is kept.

    Raises:
        ValueError: NaN or infinity in a weight after an epoch.
    """

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Runs before the state of the epoch is saved."""
        for name, parameter in pl_module.named_parameters():
            if not bool(parameter.isfinite().all()):
                where = f"epoch {trainer.current_epoch + 1}: {name.removeprefix('network.')}"
                raise ValueError(
                    f"the training failed in {where} holds NaN or infinity; a lower learning rate (--lr) or precision "
                    "32-true may help"
                )


class EpochLog(Callback):
    """One line per validation in the project's log, where there is no progress bar."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Runs when the figures of a validation are complete."""
        if trainer.state.fn == "fit":
            figures = (
                f"{name} {float(value):.4f}" for name, value in sorted(trainer.callback_metrics.items())
            )
            log.info("epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, ", ".join(figures))
