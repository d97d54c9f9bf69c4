"""A task: its levels, default methods, network metrics and default training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.levels.base import Level
    from benchmarks.pipeline.config import Settings
    from datamodules import BenchmarkDataModule
    from lsood.extraction.measurement import Measurement
    from lsood.probes.base import ModelInfo


class Task:
    """A task; literal attributes are known without importing anything heavy.

    Attributes:
        task: its name.
        default_methods: {level: methods of a run that names none}, of every level of the task.
        training_config, miniature_training_config: arguments of `networks.TrainingConfig` for a network and a data set
            that name none.
        precisions: of the feature-extraction passes.
        unsupported_protocols: {protocol: why}.
    """

    task: ClassVar[str]
    default_methods: ClassVar[Mapping[str, tuple[str, ...]]]
    training_config: ClassVar[Mapping[str, Any]]
    miniature_training_config: ClassVar[Mapping[str, Any]]
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    unsupported_protocols: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def levels(
        cls,
        network: nn.Module,
        data: BenchmarkDataModule,
        model_info: ModelInfo,
        settings: Settings,
        mask_seeds: tuple[int, ...],
    ) -> list[Level]:
        """The levels of evaluation, images first."""
        from benchmarks.levels.image import ImageLevel

        return [ImageLevel(data, model_info, mask_seeds)]

    @classmethod
    def head_layer(cls, network: nn.Module) -> str | None:
        """Name of the last linear layer on an image's features; None: there is none."""
        return getattr(network, "head_layer", None)

    @classmethod
    def network_metrics(cls, test: Measurement) -> dict[str, float]:
        """How well the network does its own task on the in-distribution test set; {} where nothing is labelled."""
        raise NotImplementedError(cls.task)


def model_info_of(
    network: nn.Module, data: BenchmarkDataModule, settings: Settings, seed: int, task: type[Task]
) -> ModelInfo:
    """The network as methods see it that score images."""
    from lsood.probes.base import ModelInfo
    from lsood.probes.head import Head

    named: Any = network
    head_layer = task.head_layer(network)
    return ModelInfo(
        task=data.task,
        num_classes=data.num_classes or _outputs(network, data),
        layers=tuple(named.feature_layers),
        latent_layer=named.latent_layer,
        std=tuple(data.std),
        mc_samples=settings.mc_samples,
        reduction=settings.reduction,
        seed=seed,
        mean=tuple(data.mean),
        head=None if head_layer is None else Head.of(network),
        head_layer=head_layer or "",
    )


def _outputs(network: nn.Module, data: BenchmarkDataModule) -> int:
    """How many classes a network tells apart, seen from its logits of a black image."""
    import torch

    device = next(network.parameters(), torch.empty(0)).device
    with torch.inference_mode():
        return int(network(torch.zeros(1, data.channels, *data.image_size, device=device)).shape[1])
