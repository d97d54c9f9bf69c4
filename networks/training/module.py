"""The LightningModule around a network, whatever its task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torchmetrics import Metric

from networks.training.config import TrainingConfig
from networks.training.losses import focal_loss, outlier_exposure_loss


class TrainingModule(pl.LightningModule):
    """Loss, optimiser and schedule of a config around a network; subclasses name their metric.

    Batches are dicts with "image" (B, C, H, W) float32 and "target" int64, those of a training with outliers
    "outliers" (M, C, H, W) too. Logs train_loss, val_loss and the metric.

    Attributes:
        metric_name: of the metric, logged as val_<metric_name>.
        outlier_exposure: whether the loss has a part for outliers.
        class_weights: (K,) of the loss; None: all classes count alike.
        repeatable_on_gpu: whether every operation of a training step has a deterministic gradient on a GPU.
    """

    metric_name = ""
    outlier_exposure: ClassVar[bool] = True
    repeatable_on_gpu: ClassVar[bool] = True

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the metrics that a training reports beside the loss."""
        return (self.metric_name,)

    def __init__(self, network: nn.Module, config: TrainingConfig, metric: Metric) -> None:
        super().__init__()
        self.network, self.config, self.metric = network, config, metric
        self.training_identity: dict[str, Any] = {}
        self.class_weights: Tensor | None = None
        self._run: Callable[[Tensor], Tensor] = network.__call__

    def accelerate(self, device: torch.device) -> None:
        """Memory format and, on a GPU, compilation of the config; compiled code is kept out of the state dict."""
        if self.config.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.config.compile and device.type == "cuda":
            network = self.network
            self._run = torch.compile(lambda images: network(images))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the network."""
        return self.network(x)

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        images, count = batch["image"], len(batch["image"])
        if "outliers" in batch:  # one forward: batch norm sees both
            images = torch.cat([images, batch["outliers"]])
        if self.config.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        logits = self._run(images).float()
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        loss = focal_loss(logits[:count], batch["target"], self.config.gamma, weights)
        if "outliers" in batch:
            loss = loss + self.config.outlier_weight * outlier_exposure_loss(logits[count:])
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
        """Save what identifies this training, see `networks.training.fit`."""
        checkpoint["training_identity"] = self.training_identity

    def configure_optimizers(self) -> Any:
        """Optimiser and, per step, schedule of the config."""
        config, optimizer = self.config, self._optimizer()
        if config.schedule == "none":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: lr_scheduler.LRScheduler
        if config.schedule == "cosine":
            schedule = lr_scheduler.CosineAnnealingLR(optimizer, steps, config.end_lr)
        elif config.schedule == "one-cycle":
            schedule = lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=max(steps, 2))
        else:
            batches = max(steps // config.epochs, 1)
            schedule = lr_scheduler.LambdaLR(optimizer, lambda step: config.lr_share(step // batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimizer(self) -> torch.optim.Optimizer:
        config, parameters = self.config, self.network.parameters()
        common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
        if config.optimizer == "sgd":
            return torch.optim.SGD(parameters, momentum=config.momentum, nesterov=config.nesterov, **common)
        if config.optimizer == "adadelta":
            return torch.optim.Adadelta(parameters, rho=0.9, **common)
        kind = torch.optim.Adam if config.optimizer == "adam-l2" else torch.optim.AdamW
        return kind(parameters, **common)
