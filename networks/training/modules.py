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
from torchmetrics.detection import MeanAveragePrecision

from networks.models.detection.faster_rcnn import Detector
from networks.training.config import TrainingConfig
from networks.training.losses import IGNORE, focal_loss, outlier_exposure_loss


class TrainingModule(pl.LightningModule):
    """Loss, optimiser and schedule of a config around a network; subclasses name their metric.

    Batches are dicts with "image" (B, C, H, W) float32 and "target" int64, those of a training with outliers
    "outliers" (M, C, H, W) too. Logs train_loss, val_loss and the metric.
    """

    metric_name = ""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what a training reports besides the loss."""
        return (self.metric_name,)

    def __init__(self, network: nn.Module, config: TrainingConfig, metric: Metric) -> None:
        super().__init__()
        self.network, self.config, self.metric = network, config, metric
        self.training_identity: dict[str, Any] = {}
        self._run: Callable[[Tensor], Tensor] = network.__call__

    def accelerate(self, device: torch.device) -> None:
        """Memory format and compilation of the config; compiled code is kept out of the state dict."""
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
        loss = focal_loss(logits[:count], batch["target"], self.config.gamma)
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
        """Keep what tells this training from another one of the same folder."""
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


class ClassificationModule(TrainingModule):
    """Logs val_accuracy."""

    metric_name = "accuracy"

    def __init__(self, network: nn.Module, config: TrainingConfig, num_classes: int) -> None:
        super().__init__(network, config, MulticlassAccuracy(num_classes, average="micro"))


class SegmentationModule(TrainingModule):
    """Logs val_miou, the mean over classes that occur in labels or predictions; pixels of target 255 are
    ignored.
    """

    metric_name = "miou"

    def __init__(self, network: nn.Module, config: TrainingConfig, num_classes: int) -> None:
        super().__init__(network, config, MulticlassJaccardIndex(num_classes, ignore_index=IGNORE))


class DetectionModule(TrainingModule):
    """Logs val_map and val_map50, COCO's mean average precision over classes that occur (IoU .5 to .95, and .5); nan
    where no image has an object.

    Batches hold "image" (B, C, H, W) and "target", B dicts of "boxes" (M, 4) in pixels and "labels" (M,), -1 = none of
    the classes. Sampled regions of val_loss are the same in every validation.

    Raises:
        ValueError: a config with another loss than cross-entropy, or with compilation.
    """

    network: Detector
    metric_name = "map"
    figures = ("map", "map50")

    def __init__(self, network: Detector, config: TrainingConfig, num_classes: int) -> None:
        if config.loss != "cross-entropy" or config.compile:
            raise ValueError("detectors are trained with loss cross-entropy and without compile")
        metric = MeanAveragePrecision(box_format="xyxy", iou_type="bbox")
        metric.warn_on_many_detections = False
        super().__init__(network, config, metric)

    def _losses(self, batch: dict[str, Any]) -> Tensor:
        images = batch["image"]
        if self.config.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return torch.stack(list(self.network.losses(images, batch["target"]).values())).sum()

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """Loss of a batch."""
        loss = self._losses(batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """Loss and detections of a batch."""
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(index)
            loss = self._losses(batch)
        found = [
            {"boxes": d.boxes, "scores": d.scores, "labels": d.labels}
            for d in self.network.detect(batch["image"])
        ]
        known = [
            {name: target[name][target["labels"] >= 0] for name in ("boxes", "labels")}
            for target in batch["target"]
        ]
        self.metric.update(found, known)
        self.log("val_loss", loss, batch_size=len(batch["image"]))

    def on_validation_epoch_end(self) -> None:
        """Mean average precision of the whole validation."""
        values = self.metric.compute()
        self.metric.reset()
        for name, key in (("map", "map"), ("map50", "map_50")):
            value = float(values[key])
            self.log(f"val_{name}", value if value >= 0 else float("nan"), prog_bar=True)


MODULES: dict[str, type[Any]] = {
    "classification": ClassificationModule,
    "segmentation": SegmentationModule,
    "detection": DetectionModule,
}
