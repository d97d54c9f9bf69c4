"""Object detection: images by the mean over their detections, and single detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.tasks.base import Task

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.levels.base import Level
    from benchmarks.pipeline.config import Settings
    from datamodules import BenchmarkDataModule
    from lsood.extraction.measurement import Measurement
    from lsood.extraction.objects import ObjectSet
    from lsood.probes.base import ModelInfo


class Detection(Task):
    """Boxes with classes. ODIN and FSSD, defaults of other tasks, do not apply to it."""

    task: ClassVar[str] = "detection"
    default_methods: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "image": ("msp", "energy", "mahalanobis", "knn", "deep-ensemble", "lared", "larem"),
        "object": ("msp", "energy", "knn", "mahalanobis", "lared"),
    }
    training_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 36,
        "batch_size": 16,
        "optimizer": "sgd",
        "lr": 0.02,
        "weight_decay": 1e-4,
    }
    miniature_training_config: ClassVar[Mapping[str, Any]] = training_config
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    unsupported_protocols: ClassVar[Mapping[str, str]] = {
        "fgsm-val": "fgsm-val needs the loss of a classifier; an object detector has none per image",
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
        from benchmarks.levels.object import ObjectLevel, object_model_info

        images = super().levels(network, data, model_info, settings, mask_seeds)
        return [*images, ObjectLevel(data, object_model_info(network, model_info), settings.confidence)]

    @classmethod
    def head_layer(cls, network: nn.Module) -> str | None:
        """None: the class layer works on regions, not on images."""
        return None

    @classmethod
    def network_metrics(cls, test: Measurement) -> dict[str, float]:
        """Mean average precision."""
        assert test.objects is not None
        return mean_average_precision(test.objects, test.images.ids)


def mean_average_precision(objects: ObjectSet, keys: Sequence[str]) -> dict[str, float]:
    """{"map": COCO's mean average precision over IoU .5 to .95, "map50": at .5}, in [0, 1], on the images that the keys
    name; {} where no object of a known class is labelled on them. Objects of no class do not count,
    detections of a class on a crowd of that class neither.
    """
    from torchmetrics.detection import MeanAveragePrecision

    from lsood.extraction.objects import known_objects, rows_of

    targets = objects.targets(keys)
    metric = MeanAveragePrecision(box_format="xyxy")
    found = objects.found
    rows = rows_of(found, keys)
    metric.update(
        [
            {"boxes": found["box"][r], "scores": found["score"][r], "labels": found["predicted"][r]}
            for r in rows
        ],
        [known_objects(target) for target in targets],
    )
    if not any(bool((target["labels"] >= 0).any()) for target in targets):
        return {}
    values = metric.compute()
    return {"map": float(values["map"]), "map50": float(values["map_50"])}
