"""Lightning's trainer as `fit` uses it: its device, files, messages and signals."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import rich
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lsood.io import write_checked
from networks.training.callbacks import EpochLog, EpochSeeds, FiniteWeights
from networks.training.config import TrainingConfig, resolve_precision
from networks.training.curve import Curve

LAST = "last.ckpt"
NAMES = 'name "cpu", "cuda", "cuda:<number>" or "mps"'


def device_of(name: str) -> torch.device:
    """A device by name.

    Raises:
        ValueError: an unknown device, one of another type than "cpu", "cuda" and "mps", or one that is not present.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"unknown device {name!r}; {NAMES}") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"cannot train on device {name!r}; {NAMES}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f'there is no device {name!r} here; "cpu" works')
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f'there is no device {name!r} here ({torch.cuda.device_count()} GPUs); "cpu" works')
    return device


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that appear whole in their own folder, with a checksum beside them; Lightning writes to the system's
    temporary folder, from where a move to another file system is a copy that can be cut short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a training state to a path."""
        write_checked(Path(path), lambda part: torch.save(checkpoint, part))


def trainer_of(
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
    seed: int,
    progress: bool,
    figures: Sequence[str] = (),
) -> pl.Trainer:
    """The trainer of a config. It writes its state to ``LAST`` and its curve, with the named figures, to ``CURVE`` in
    ``folder`` after every epoch, validates about five times, and with ``progress`` shows a bar on a terminal or writes
    log lines elsewhere.
    """
    bar = progress and rich.get_console().is_terminal
    reports: list[Callback] = [RichProgressBar(leave=False)] if bar else [EpochLog()] if progress else []
    checkpoint = ModelCheckpoint(  # its save_last writes nothing before the end where no other file is kept
        folder, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False
    )
    precision: Any = resolve_precision(config, device)
    return pl.Trainer(
        max_epochs=config.epochs,
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=precision,
        callbacks=[EpochSeeds(seed), FiniteWeights(), Curve(folder, figures), checkpoint, *reports],
        check_val_every_n_epoch=_validation_interval(config.epochs),
        default_root_dir=folder,
        logger=False,
        plugins=[WholeFiles()],
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _validation_interval(epochs: int) -> int:
    """Epochs between validations: about five in a training, the last one after its last epoch."""
    return next(n for n in range(max(1, epochs // 5), 0, -1) if epochs % n == 0)


@contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Ctrl+C as KeyboardInterrupt; Lightning itself exits the process and leaves its signal handler in place."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def repeatable(active: bool) -> Iterator[None]:
    """torch's deterministic algorithms where there are any, if ``active``."""
    before, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    if active:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Lightning's messages about devices, workers and products."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
