"""What a run is about, from the network's side: its subjects, its probes and how well it does its own task."""

from __future__ import annotations

from typing import Any

from torch import nn

from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.tasks.objects import mean_average_precision
from datamodules import BenchmarkDataModule
from lsood import Activations, Head, ModelInfo


def model_info_of(network: nn.Module, data: BenchmarkDataModule, settings: Settings, seed: int) -> ModelInfo:
    """The network as methods see it that score images. The class layer of an object detector does not work on images,
    so there is none.
    """
    named: Any = network
    detects = data.task == "detection"
    return ModelInfo(
        task=data.task,
        num_classes=data.num_classes,
        layers=tuple(named.feature_layers),
        latent_layer=named.latent_layer,
        std=tuple(data.std),
        mc_samples=settings.mc_samples,
        reduction=settings.reduction,
        seed=seed,
        mean=tuple(data.mean),
        head=None if detects else Head.of(network),
        head_layer="" if detects else getattr(network, "head_layer", ""),
    )


def network_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Accuracy, mean intersection over union of the classes that occur, or mean average precision, on the
    in-distribution test set.
    """
    test, task = evaluation.test, evaluation.data.task
    if task == "detection":
        return mean_average_precision(evaluation.extraction.objects["ind-test"], test.ids)
    return _miou(test) if task == "segmentation" else _accuracy(test)


def _miou(test: Activations) -> dict[str, float]:
    confusion = test["confusion"].double().sum(0)
    overlap = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - overlap
    return {"miou": float((overlap / union)[confusion.sum(1) > 0].mean())}


def _accuracy(test: Activations) -> dict[str, float]:
    return {"accuracy": float((test["logits"].argmax(1) == test["labels"]).double().mean())}
