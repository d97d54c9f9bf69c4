"""One LightningModule per task around a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from networks.losses import IGNORE, focal_loss, outlier_exposure_loss
from networks.recipes import TrainingRecipe


class TrainingModule(pl.LightningModule):
    """Loss, optimiser and schedule of a recipe around a network; subclasses name their metric.

    Batches are dicts with "image" (B, C, H, W) float32 and "target" int64, those of a training with outliers
    "outliers" (M, C, H, W) too. Logs train_loss, val_loss and the metric.
    """

    metric_name = ""

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, metric: Metric) -> None:
        super().__init__()
        self.network, self.recipe, self.metric = network, recipe, metric
        self.training_identity: dict[str, Any] = {}
        self._run: Callable[[Tensor], Tensor] = network.__call__

    def accelerate(self, device: torch.device) -> None:
        """Memory format and compilation of the recipe; compiled code is kept out of the state dict."""
        if self.recipe.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.recipe.compile and device.type == "cuda":
            network = self.network
            self._run = torch.compile(lambda images: network(images))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the network."""
        return self.network(x)

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        images, count = batch["image"], len(batch["image"])
        if "outliers" in batch:  # one forward: batch norm sees both
            images = torch.cat([images, batch["outliers"]])
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        logits = self._run(images).float()
        loss = focal_loss(logits[:count], batch["target"], self.recipe.gamma)
        if "outliers" in batch:
            loss = loss + self.recipe.outlier_weight * outlier_exposure_loss(logits[count:])
        return loss, logits[:count]

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """Loss of a batch."""
        loss, _ = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """Loss and metric of a batch."""
        loss, logits = self._loss(batch)
        self.metric.update(logits.argmax(1), batch["target"])
        size = len(batch["image"])
        self.log("val_loss", loss, batch_size=size)
        self.log(f"val_{self.metric_name}", self.metric, prog_bar=True, batch_size=size)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what tells this training from another one of the same folder."""
        checkpoint["training_identity"] = self.training_identity

    def configure_optimizers(self) -> Any:
        """Optimiser and, per step, schedule of the recipe."""
        recipe, optimizer = self.recipe, self._optimizer()
        if recipe.schedule == "none":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: lr_scheduler.LRScheduler
        if recipe.schedule == "cosine":
            schedule = lr_scheduler.CosineAnnealingLR(optimizer, steps, recipe.end_lr)
        elif recipe.schedule == "one-cycle":
            schedule = lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=max(steps, 2))
        else:
            batches = max(steps // recipe.epochs, 1)
            schedule = lr_scheduler.LambdaLR(optimizer, lambda step: recipe.lr_share(step // batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimizer(self) -> torch.optim.Optimizer:
        recipe, parameters = self.recipe, self.network.parameters()
        common: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
        if recipe.optimizer == "sgd":
            return torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
        if recipe.optimizer == "adadelta":
            return torch.optim.Adadelta(parameters, rho=0.9, **common)
        kind = torch.optim.Adam if recipe.optimizer == "adam-l2" else torch.optim.AdamW
        return kind(parameters, **common)


class ClassificationModule(TrainingModule):
    """Logs val_accuracy."""

    metric_name = "accuracy"

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, num_classes: int) -> None:
        super().__init__(network, recipe, MulticlassAccuracy(num_classes, average="micro"))


class SegmentationModule(TrainingModule):
    """Logs val_miou, the mean over classes that occur in labels or predictions; pixels of target 255 are
    ignored.
    """

    metric_name = "miou"

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, num_classes: int) -> None:
        super().__init__(network, recipe, MulticlassJaccardIndex(num_classes, ignore_index=IGNORE))


MODULES = {"classification": ClassificationModule, "segmentation": SegmentationModule}
