"""Training of object detectors."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from lsood.extraction.objects import known_objects
from networks.models.detection.detector import Detector
from networks.training.config import TrainingConfig
from networks.training.module import TrainingModule


class DetectionModule(TrainingModule):
    """Logs val_map and val_map50, COCO's mean average precision over classes that occur (IoU .5 to .95, and .5); nan
    where no image has an object.

    Batches hold "image" (B, C, H, W) and "target", B dicts of "boxes" (M, 4) in pixels and "labels" (M,), -1 = none of
    the classes. Sampled regions of val_loss are the same in every validation. RoI pooling
    has no deterministic gradient on a GPU.

    Raises:
        ValueError: a config with another loss than cross-entropy, or with compilation, or a network without losses.
    """

    task: ClassVar[str] = "detection"
    network: Detector
    metric_name = "map"
    figures = ("map", "map50")
    outlier_exposure: ClassVar[bool] = False
    repeatable_on_gpu: ClassVar[bool] = False

    def __init__(self, network: Detector, config: TrainingConfig, num_classes: int) -> None:
        if config.loss != "cross-entropy" or config.compile:
            raise ValueError("detectors are trained with loss cross-entropy and without compile")
        if not hasattr(network, "losses"):
            raise ValueError(
                f"{type(network).__name__} has no losses(images, targets) and cannot be trained here"
            )
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
            {"boxes": d.boxes, "scores": d.scores, "labels": d.labels} for d in self.network(batch["image"])
        ]
        self.metric.update(found, [known_objects(target) for target in batch["target"]])
        self.log("val_loss", loss, batch_size=len(batch["image"]))

    def on_validation_epoch_end(self) -> None:
        """Mean average precision of the whole validation."""
        values = self.metric.compute()
        self.metric.reset()
        for name, key in (("map", "map"), ("map50", "map_50")):
            value = float(values[key])
            self.log(f"val_{name}", value if value >= 0 else float("nan"), prog_bar=True)
