"""Training with Lightning: one `fit` that resumes, repeats and keeps quiet."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import rich
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import nn
from torch.utils.data import DataLoader

from networks.training.batches import Batches
from networks.training.callbacks import EpochLog, EpochSeeds
from networks.training.config import TrainingConfig, resolve_precision
from networks.training.modules import (
    MODULES,
    ClassificationModule,
    DetectionModule,
    SegmentationModule,
    TrainingModule,
)

__all__ = ["ClassificationModule", "DetectionModule", "SegmentationModule", "fit", "seed_everything"]

LAST = "last.ckpt"
UNREPEATABLE = (SegmentationModule, DetectionModule)  # on a GPU
log = logging.getLogger("lsood-bench")


def seed_everything(seed: int) -> None:
    """Seed every random generator a training uses, those of loader processes too."""
    pl.seed_everything(seed, workers=True, verbose=False)


def fit(
    network: nn.Module,
    task: str,
    num_classes: int,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    config: TrainingConfig,
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
    outliers: DataLoader[Any] | None = None,
) -> dict[str, float]:
    """Train a network in place; an interrupted training of the same folder goes on after its last whole
    epoch.

    Seeds, and with them a ``generator`` of the loader, are set anew for every epoch: same seed, same device:
    same weights, interrupted or not (exactly so for loaders without processes of their own; on a GPU for
    classification, as bilinear upsampling, the pixel loss and RoI pooling have no repeatable gradient there).

    Args:
        network: its weights are the starting point.
        task: "classification", "segmentation" or "detection".
        train_loader: batches of the config's size, shuffled by a generator of its own.
        val_loader: held-out batches; measured about five times in a training.
        work_dir: keeps last.ckpt, a whole training state, after every epoch.
        device: "cpu", "cuda", "cuda:1", ...
        seed: of order, dropout and augmentation.
        progress: a bar on a terminal; elsewhere one line per validation in the log.
        outliers: for outlier exposure (Hendrycks et al., ICLR 2019): images of neither the classes nor the
            OoD sets tested on, in batches twice the config's size, shuffled by a generator of its own. Each
            step forwards a batch of both at once; loss: that of the config on the in-distribution part +
            ``outlier_weight`` * cross-entropy to the uniform distribution on the outliers. The loader is
            cycled through; its labels are not used.

    Returns:
        {"accuracy" or "miou": ..., "loss": ...} on the validation set, {"map", "map50", "loss"} of a detector. The
        network is left in evaluation mode on the CPU.

    Raises:
        ValueError: unknown task or device; a folder that holds another training; outliers that are none, of
            another size, or for a detector.
        KeyboardInterrupt: passed on.
    """
    if task not in MODULES:
        raise ValueError(f"unknown task {task!r}; tasks: {', '.join(MODULES)}")
    if outliers is not None and task == "detection":
        raise ValueError("outlier exposure trains classification and segmentation networks, not detectors")
    module: TrainingModule = MODULES[task](network, config, num_classes)
    return fit_module(module, train_loader, val_loader, work_dir, device, seed, progress, outliers)


def fit_module(
    module: TrainingModule,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
    outliers: DataLoader[Any] | None = None,
) -> dict[str, float]:
    """Train the network of a module by the module's config; arguments, returns and errors as of :func:`fit`."""
    where, config, network = _device(device), module.config, module.network
    seed_everything(seed)
    batches = Batches(train_loader, outliers)
    module.training_identity = {
        **dataclasses.asdict(config),
        "seed": seed,
        "batches_per_epoch": len(batches),
        "outlier_batches": 0 if outliers is None else len(outliers),
    }
    last = Path(work_dir) / LAST
    resume = str(last) if _resumable(last, module) else None
    module.accelerate(where)
    with _quiet(), _repeatable(where.type == "cuda" and not isinstance(module, UNREPEATABLE)):
        trainer = _trainer(config, last.parent, where, seed, progress)
        with _interruptible(trainer):
            trainer.fit(module, batches, val_loader, ckpt_path=resume, weights_only=True)
            figures: dict[str, Any] = dict(trainer.callback_metrics)
            if "val_loss" not in figures:  # the checkpoint was that of the last epoch
                figures = dict(trainer.validate(module, val_loader, verbose=False)[0])
    network.eval().cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return {name: float(figures[f"val_{name}"]) for name in (*module.figures, "loss")}


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'unknown device {name!r}; name "cpu", "cuda" or "cuda:<number>"') from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f'cannot train on device {name!r}; name "cpu", "cuda" or "cuda:<number>"')
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f'there is no device {name!r} here ({torch.cuda.device_count()} GPUs); "cpu" works')
    return device


def _resumable(last: Path, module: TrainingModule) -> bool:
    """Whether a training state is there and whole; ValueError when it is that of another training."""
    if not last.is_file():
        return False
    try:
        state = torch.load(last, map_location="cpu", weights_only=True)
        was, weights = state["training_identity"], state["state_dict"]
    except Exception as error:  # whatever a parser of damaged bytes may raise
        log.warning("%s cannot be read and the training starts anew (%s)", last, type(error).__name__)
        return False
    now = module.training_identity
    changed = [
        f"{name} was {was.get(name)}, is {value}" for name, value in now.items() if was.get(name) != value
    ]
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if shapes != {name: tuple(value.shape) for name, value in weights.items()}:
        changed.append("another network")
    if changed:
        raise ValueError(f"{last} is of another training ({changed[0]}); remove it or name another folder")
    return True


def _trainer(
    config: TrainingConfig, folder: Path, device: torch.device, seed: int, progress: bool
) -> pl.Trainer:
    bar = progress and rich.get_console().is_terminal
    reports: list[Callback] = [RichProgressBar(leave=False)] if bar else [EpochLog()] if progress else []
    checkpoint = ModelCheckpoint(  # its save_last writes nothing before the end where no other file is kept
        folder, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False
    )
    precision: Any = resolve_precision(config, device)
    return pl.Trainer(
        max_epochs=config.epochs,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=precision,
        callbacks=[EpochSeeds(seed), checkpoint, *reports],
        check_val_every_n_epoch=_validation_interval(config.epochs),
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _validation_interval(epochs: int) -> int:
    """Epochs between validations: about five in a training, the last one after its last epoch."""
    return next(n for n in range(max(1, epochs // 5), 0, -1) if epochs % n == 0)


@contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Ctrl+C as KeyboardInterrupt: Lightning leaves the process and lets it ignore further signals."""
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
def _repeatable(active: bool) -> Iterator[None]:
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
def _quiet() -> Iterator[None]:
    """Keep Lightning's remarks about devices, workers and products off the screen."""
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
