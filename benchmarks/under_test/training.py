"""A trained network for a data module and a seed: from a checkpoint, from the cache, or trained now."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

import networks
from benchmarks.pipeline.config import Settings
from benchmarks.tasks import TASKS
from benchmarks.under_test.cached import Trained, cached
from benchmarks.under_test.outside import (
    AS_BUILT,
    adapted,
    input_options,
    is_adapted,
    name_of,
    network_of_user,
    of_user,
    opened,
)
from benchmarks.under_test.weights import load_weights, outputs_of
from datamodules import BenchmarkDataModule
from networks import TrainingConfig
from networks.checkpoint import classes_in
from networks.outside.spec import arguments_of, is_predictions


@dataclass(frozen=True)
class Exposure:
    """Training with auxiliary outliers, from a trained network on.

    Attributes:
        start: the network to start from. recipe: of the training. loader: batches of outliers. outliers,
            fingerprint: name of their set and what it holds.
    """

    start: Trained
    config: TrainingConfig
    loader: Any
    outliers: str
    fingerprint: str


def network_name(settings: Settings, data: BenchmarkDataModule) -> str:
    """The network asked for, else the preset's, else the data set's default.

    Raises:
        ValueError: a network of another task, or none.
    """
    if of_user(settings):
        return name_of(settings)
    if is_predictions(settings.network):
        return str(settings.network)
    name = settings.network or (networks.preset(settings.preset).network if settings.preset else None)
    name = name or (data.miniature_network if data.origin == "miniature" else data.default_network)
    if not name:
        raise ValueError(f"{data.name} has no default network; name one of {', '.join(networks.NETWORKS)}")
    task = networks.NETWORKS.about(name, "task") if name in networks.NETWORKS else data.task
    if task != data.task:
        right = ", ".join(n for n in networks.NETWORKS if networks.NETWORKS.about(n, "task") == data.task)
        raise ValueError(f"network {name!r} is for {task}, {data.name} needs {data.task}: {right}")
    return name


def build_network(name: str, data: BenchmarkDataModule, settings: Settings, classes: int = 0) -> nn.Module:
    """The network of a data set with random weights, with the options of its preset and those of the run; of the user
    as it is built. Its layers are those the user names, if any.

    Args:
        classes: K of one of ours; 0: that of the data set.
    """
    if of_user(settings):
        return network_of_user(settings, data)
    network = _plain(name, data, settings, classes)
    return adapted(settings, data, network) if is_adapted(settings) else network


def _preset_options(name: str, settings: Settings) -> dict[str, Any]:
    """Options of the network's constructor that its preset has."""
    chosen = None if settings.preset is None else networks.preset(settings.preset)
    return dict(chosen.options) if chosen is not None and chosen.network == name else {}


def _plain(name: str, data: BenchmarkDataModule, settings: Settings, classes: int = 0) -> nn.Module:
    options = _preset_options(name, settings) | arguments_of(settings.network_args)
    if "image_size" in networks.NETWORKS[name].options:
        options.setdefault("image_size", tuple(data.image_size))
    return networks.build(name, classes or data.num_classes, data.channels, **options)


def from_checkpoint(settings: Settings, data: BenchmarkDataModule, path: Path) -> Trained:
    """The network with the weights of a file."""
    name = network_name(settings, data)
    if of_user(settings):
        network = network_of_user(settings, data, path)
    else:
        named = outputs_of(settings, data)
        network = build_network(
            name, data, settings, named or classes_in(path, _plain(name, data, settings, 2))
        )
        load_weights(settings, data, network, path, lambda k: _plain(name, data, settings, k))
    options = input_options(settings, data) | {"checkpoint": path.name}
    return Trained(network.eval(), name, networks.weights_hash(network), options)


def untrained(settings: Settings, data: BenchmarkDataModule, seed: int) -> Trained:
    """A network of the user as it is built, its random weights by the seed."""
    networks.seed_everything(seed)
    network = network_of_user(settings, data)
    options = input_options(settings, data) | {"checkpoint": AS_BUILT}
    return Trained(network.eval(), name_of(settings), networks.weights_hash(network), options)


def check_labelled(data: BenchmarkDataModule) -> None:
    """Raises ValueError: no network can be trained on a data set."""
    if not data.class_names:
        raise ValueError(
            f"{data.name} has no labels, so no network can be trained on it; name a trained one with --checkpoint"
        )
    if not len(data.sets["val"]):
        raise ValueError(
            f"{data.name} has no validation images, which training needs; name a trained network with --checkpoint"
        )


def training_config_of(settings: Settings, data: BenchmarkDataModule, name: str) -> TrainingConfig:
    """How a network is trained in this run, its precision resolved: the preset's config, else the data set's, else the
    network's, else the task's; what `Settings.training` and `Settings.epochs` say takes the place of its values.
    """
    if settings.preset is not None:
        config = networks.preset(settings.preset).config
    else:
        kind = "miniature_training_config" if data.origin == "miniature" else "training_config"
        sources = (data, networks.NETWORKS.get(name), TASKS[data.task])
        config = TrainingConfig(**next(given for s in sources if (given := getattr(s, kind, None))))
    changed = dict(settings.training) | ({} if settings.epochs is None else {"epochs": settings.epochs})
    if changed.get("schedule", config.schedule) != "multi-step":
        changed["milestones"] = ()
    config = dataclasses.replace(config, **changed)
    return dataclasses.replace(config, precision=networks.resolve_precision(config, settings.device))


def train(
    settings: Settings,
    data: BenchmarkDataModule,
    seed: int,
    progress: bool = True,
    name: str | None = None,
    exposure: Exposure | None = None,
) -> Trained:
    """Train, or read from the cache what the same settings trained before; an interrupted training
    resumes.

    Args:
        name: of the network; default: the run's.
        exposure: start from trained weights and train with auxiliary outliers.
    """
    check_labelled(data)
    name = name or network_name(settings, data)
    config = training_config_of(settings, data, name) if exposure is None else exposure.config
    options = {**dataclasses.asdict(config), "seed": seed}
    options |= input_options(settings, data)
    identity = {**place_of(settings, data, name), "recipe": distinguishing(config), "seed": seed}
    if built := _preset_options(name, settings):
        identity["build"] = built
    start = None
    if exposure is not None:
        start = exposure.start.network
    elif settings.trains_alone and settings.checkpoints:
        start = from_checkpoint(settings, data, settings.checkpoints[0]).network
        options["start"] = identity["start"] = networks.weights_hash(start)
    if exposure is not None:
        options |= {"outliers": exposure.outliers, "start": exposure.start.weights}
        identity |= {"outliers": exposure.fingerprint, "start": exposure.start.weights}

    def fit(network: nn.Module, folder: Path) -> dict[str, float]:
        if start is not None:  # also where a training state lies: it may turn out to be damaged
            network.load_state_dict(start.state_dict())
        return networks.fit(
            network,
            data.task,
            data.num_classes,
            data.train_dataloader(config.batch_size),
            data.val_dataloader(),
            config,
            folder,
            device=settings.device,
            seed=seed,
            progress=progress and settings.progress,
            outliers=None if exposure is None else exposure.loader,
        )

    log_line = f"training {name} on {data.name}, seed {seed}, {config.epochs} epochs"
    build = partial(build_network, name, data, settings)
    about = {
        "set": data.name,
        "origin": data.origin,
        "preset": settings.preset,
        **({"asked": time.time()} if settings.trains_alone else {}),
    }
    return cached(identity, options, name, build, fit, log_line, data.fingerprint, about)


def place_of(settings: Settings, data: BenchmarkDataModule, name: str) -> dict[str, Any]:
    """What a training is known by in the cache, but how it goes: network, data, and the network's input.

    Raises:
        ValueError: a network of the user that was given as a module.
    """
    found: dict[str, Any] = {
        "network": name,
        "data": data.training_fingerprint,
        "preprocess": data.preprocess.fingerprint,
    }
    if named := input_options(settings, data):
        found["input"] = named
    if of_user(settings):
        if settings.module is not None:
            raise ValueError(
                f"{name} was given as a module and cannot be built anew to be trained: name it, file.py:build"
            )
        found["source"] = opened(settings, data).source_hash
    return found


def distinguishing(config: TrainingConfig) -> dict[str, Any]:
    """What differs from the defaults: an option added later does not make trained networks strangers."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.default is dataclasses.MISSING or getattr(config, field.name) != field.default
    }
