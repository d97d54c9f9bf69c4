"""Training of segmentation networks."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torchmetrics.classification import MulticlassJaccardIndex

from networks.training.config import TrainingConfig
from networks.training.losses import IGNORE
from networks.training.module import TrainingModule


class SegmentationModule(TrainingModule):
    """Logs val_miou, the mean over classes that occur in labels or predictions; pixels of target 255 are
    ignored. Bilinear upsampling and the pixel loss have no deterministic gradient on a GPU.
    """

    task: ClassVar[str] = "segmentation"
    metric_name = "miou"
    repeatable_on_gpu: ClassVar[bool] = False

    def __init__(self, network: nn.Module, config: TrainingConfig, num_classes: int) -> None:
        super().__init__(network, config, MulticlassJaccardIndex(num_classes, ignore_index=IGNORE))
