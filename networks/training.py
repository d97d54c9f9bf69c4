"""Training with Lightning: one module per task, one `fit` that resumes and repeats."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from networks.losses import IGNORE, focal_loss
from networks.recipes import TrainingRecipe

LAST = "last.ckpt"


class TrainingModule(pl.LightningModule):
    """Loss, optimiser and schedule of a recipe around a network; subclasses name their metric.

    Batches are dicts with "image" (B, C, H, W) float32 and "target" int64. Logs train_loss, val_loss and the
    metric.
    """

    metric_name = ""

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, metric: Metric, seed: int = 0) -> None:
        super().__init__()
        self.network, self.recipe, self.metric, self.seed = network, recipe, metric, seed

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the network."""
        return self.network(x)

    def on_train_epoch_start(self) -> None:
        """Dropout and augmentation are a function of (seed, epoch): a resumed training equals one in a piece."""
        torch.manual_seed(self.seed * 10_007 + self.current_epoch)

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        logits = self.network(batch["image"])
        return focal_loss(logits.float(), batch["target"], self.recipe.focal_gamma), logits

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        loss, _ = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        loss, logits = self._loss(batch)
        self.metric.update(logits.argmax(1), batch["target"])
        size = len(batch["image"])
        self.log("val_loss", loss, batch_size=size)
        self.log(f"val_{self.metric_name}", self.metric, prog_bar=True, batch_size=size)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        if recipe.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                self.parameters(), recipe.lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
            )
        else:
            optimizer = torch.optim.AdamW(self.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if recipe.schedule == "none":
            return optimizer
        if recipe.schedule == "cosine":
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        else:
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=max(steps, 2))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class ClassificationModule(TrainingModule):
    """Logs val_accuracy."""

    metric_name = "accuracy"

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, num_classes: int, seed: int = 0) -> None:
        super().__init__(network, recipe, MulticlassAccuracy(num_classes, average="micro"), seed)


class SegmentationModule(TrainingModule):
    """Logs val_miou; pixels of target 255 are ignored."""

    metric_name = "miou"

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, num_classes: int, seed: int = 0) -> None:
        super().__init__(network, recipe, MulticlassJaccardIndex(num_classes, ignore_index=IGNORE), seed)


MODULES = {"classification": ClassificationModule, "segmentation": SegmentationModule}


def seed_everything(seed: int) -> None:
    """Seed every random generator a training uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl.seed_everything(seed, workers=True, verbose=False)


def fit(
    network: nn.Module,
    task: str,
    num_classes: int,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any],
    recipe: TrainingRecipe,
    work_dir: Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Train a network in place; an interrupted training of the same work_dir goes on after its last whole
    epoch.

    Args:
        task: "classification" or "segmentation".
        train_loader: batches of the recipe's size; a sampler with ``set_epoch`` is told the epoch.
        work_dir: holds last.ckpt while the training runs.
        device: "cpu" or "cuda" (bf16 mixed precision).
        seed: of dropout and augmentation; same seed, same device: same weights.

    Returns:
        {"accuracy" or "miou": ..., "loss": ...} on the validation set. The network is left in evaluation mode
        on the CPU.

    Raises:
        ValueError: unknown task. KeyboardInterrupt: passed on.
    """
    if task not in MODULES:
        raise ValueError(f"unknown task {task!r}; tasks: {', '.join(MODULES)}")
    seed_everything(seed)
    module = MODULES[task](network, recipe, num_classes, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _quiet()
        trainer = pl.Trainer(
            max_epochs=recipe.epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if device == "cuda" else "32-true",
            callbacks=[
                _last(work_dir),
                *_bar(progress),
            ],
            logger=False,
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        last = work_dir / LAST
        resume = str(last) if last.is_file() else None
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, train_loader, val_loader, ckpt_path=resume, weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C; it also leaves the signal ignored
            raise KeyboardInterrupt from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
    network.eval().cpu()
    figures = trainer.callback_metrics
    names = {f"val_{module.metric_name}": module.metric_name, "val_loss": "loss"}
    return {name: float(figures[logged]) for logged, name in names.items() if logged in figures}


def _last(work_dir: Path) -> ModelCheckpoint:
    """Keeps work_dir/last.ckpt, written after every epoch."""
    stem = LAST.removesuffix(".ckpt")
    return ModelCheckpoint(
        work_dir, filename=stem, save_on_train_epoch_end=True, enable_version_counter=False
    )


def _bar(progress: bool) -> list[Callback]:
    return [RichProgressBar(leave=False)] if progress else []


def _quiet() -> None:
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
