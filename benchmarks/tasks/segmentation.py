"""Semantic segmentation: images by the mean over their pixels, and pixels of images with anomaly masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.tasks.base import Task

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.levels.base import Level
    from benchmarks.pipeline.config import Settings
    from datamodules import BenchmarkDataModule
    from lsood.extraction.measurement import Measurement
    from lsood.probes.base import ModelInfo


class Segmentation(Task):
    """One class per pixel."""

    task: ClassVar[str] = "segmentation"
    default_methods: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "image": ("msp", "odin", "mahalanobis", "fssd", "deep-ensemble", "lared", "larem"),
        "pixel": ("msp", "max-logit", "energy", "entropy", "sml", "latent-neighbour"),
    }
    training_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "batch_size": 8,
        "optimizer": "adam",
        "lr": 2e-3,
        "weight_decay": 1e-4,
    }
    miniature_training_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 10,
        "batch_size": 4,
        "optimizer": "adam",
        "lr": 1e-2,
        "weight_decay": 1e-4,
    }

    @classmethod
    def levels(
        cls,
        network: nn.Module,
        data: BenchmarkDataModule,
        model_info: ModelInfo,
        settings: Settings,
        mask_seeds: tuple[int, ...],
    ) -> list[Level]:
        from benchmarks.levels.pixel import PixelLevel

        images = super().levels(network, data, model_info, settings, mask_seeds)
        return [*images, PixelLevel(data, model_info)]

    @classmethod
    def network_metrics(cls, test: Measurement) -> dict[str, float]:
        """Mean intersection over union of the classes that occur."""
        confusion = test.images["confusion"].double().sum(0)
        if not confusion.any():
            return {}
        overlap = confusion.diagonal()
        union = confusion.sum(0) + confusion.sum(1) - overlap
        return {"miou": float((overlap / union)[confusion.sum(1) > 0].mean())}
