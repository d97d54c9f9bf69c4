"""Training of classifiers."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from networks.training.config import TrainingConfig
from networks.training.module import TrainingModule


class ClassificationModule(TrainingModule):
    """Logs val_accuracy."""

    task: ClassVar[str] = "classification"
    metric_name = "accuracy"

    def __init__(self, network: nn.Module, config: TrainingConfig, num_classes: int) -> None:
        super().__init__(network, config, MulticlassAccuracy(num_classes, average="micro"))
