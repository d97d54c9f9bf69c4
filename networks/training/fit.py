"""Training of a network with Lightning: reproducible, resumable, without output but a progress bar or log lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lsood.io import log, whole
from lsood.registry import Registry
from networks.training.batches import Batches, label_counts
from networks.training.config import TrainingConfig
from networks.training.losses import log_weights
from networks.training.module import TrainingModule
from networks.training.trainer import LAST, device_of, interruptible, quiet, repeatable, trainer_of

TASKS = Registry("task", ("networks.training.tasks",), group="lsood.training_tasks", key="task")


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
    """Train a network in place; an interrupted training of the same folder resumes after its last complete epoch, or
    starts anew where the state of that epoch is damaged.

    Every epoch sets all seeds, that of the loader's ``generator`` included: the same seed on the same device gives
    the same weights, interrupted or not. Exactly so for loaders without worker processes and for those of
    ``datamodules`` with any number of them; on a GPU, for tasks whose module is ``repeatable_on_gpu``.

    Args:
        network: its weights are the starting point.
        task: "classification", "segmentation", "detection", or another one of ``networks/training/tasks``.
        train_loader: batches of the config's size, shuffled by a generator of its own.
        val_loader: held-out batches; evaluated about five times during the training.
        work_dir: holds last.ckpt, the complete training state, rewritten whole after every epoch, and its checksum; and
            curve.csv, see `networks.training.curve`.
        device: "cpu", "cuda", "cuda:1", ..., "mps".
        seed: of order, dropout and augmentation.
        progress: a progress bar on a terminal; elsewhere one log line per validation.
        outliers: for outlier exposure (Hendrycks et al., ICLR 2019): images of neither the classes nor the
            OoD test sets, in batches twice the config's size, shuffled by a generator of its own. Each step
            forwards both batches at once; the loss is the config's on the in-distribution part plus
            ``outlier_weight`` times the cross-entropy to the uniform distribution on the outliers. The loader
            is cycled through; its labels are not used.

    Returns:
        {"accuracy" or "miou": ..., "loss": ...} on the validation set, {"map", "map50", "loss"} of a detector. The
        network is left in evaluation mode on the CPU.

    Raises:
        ValueError: unknown task or device; a folder with the state of another training; outliers without a batch,
            of another size, or for a task whose loss has no part for them; weights that became NaN or infinite.
        KeyboardInterrupt: on Ctrl+C.
    """
    kind: type[Any] = TASKS.find(task)
    if outliers is not None and not kind.outlier_exposure:
        able = [name for name in TASKS if TASKS[name].outlier_exposure]
        raise ValueError(f"outlier exposure trains networks for {' and '.join(able)}, not for {task}")
    module: TrainingModule = kind(network, config, num_classes)
    if config.class_weights == "log":
        module.class_weights = log_weights(label_counts(train_loader, num_classes))
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
    where, config, network = device_of(device), module.config, module.network
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
    with quiet(), repeatable(where.type == "cuda" and module.repeatable_on_gpu):
        trainer = trainer_of(config, last.parent, where, seed, progress, module.figures)
        with interruptible(trainer):
            trainer.fit(module, batches, val_loader, ckpt_path=resume, weights_only=True)
            figures: dict[str, Any] = dict(trainer.callback_metrics)
            if "val_loss" not in figures:  # the checkpoint was that of the last epoch
                figures = dict(trainer.validate(module, val_loader, verbose=False)[0])
    network.eval().cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return {name: float(figures[f"val_{name}"]) for name in (*module.figures, "loss")}


def _resumable(last: Path, module: TrainingModule) -> bool:
    """Whether there is a training state to resume from.

    Raises:
        ValueError: it is that of another training.
    """
    if not last.is_file():
        return False
    if whole(last) is False:
        log.warning("%s is damaged (its checksum is another one); the training starts anew", last)
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
    log.info("going on after epoch %d of %d", int(state.get("epoch", -1)) + 1, module.config.epochs)
    return True
