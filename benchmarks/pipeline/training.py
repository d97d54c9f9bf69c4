"""A trained network for a data module and a seed: from a checkpoint, from the cache, or trained now."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import networks
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.outside import (
    AS_BUILT,
    adapted,
    input_options,
    is_adapted,
    name_of,
    network_of_user,
    of_user,
    opened,
)
from benchmarks.tasks import TASKS
from datamodules import BenchmarkDataModule, cache_dir
from lsood.io import checksum_file, log, one_line, remove_leftovers, sha256, whole, write_text
from networks import TrainingConfig
from networks.checkpoint import classes_in
from networks.outside.spec import arguments_of, is_predictions

CACHE_VERSION = 2
COST = "training.json"
WEIGHTS = "weights.safetensors"


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


@dataclass(frozen=True)
class Trained:
    """A network with its weights' hash, how it came about, and the seconds its training took (None: not known)."""

    network: nn.Module
    name: str
    weights: str
    options: dict[str, Any]
    seconds: float | None = None


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


def _plain(name: str, data: BenchmarkDataModule, settings: Settings, classes: int = 0) -> nn.Module:
    options: dict[str, Any] = {}
    if settings.preset is not None and networks.preset(settings.preset).network == name:
        options |= networks.preset(settings.preset).options
    options |= arguments_of(settings.network_args)
    if "image_size" in networks.NETWORKS[name].options:
        options.setdefault("image_size", tuple(data.image_size))
    return networks.build(name, classes or data.num_classes, data.channels, **options)


def from_checkpoint(settings: Settings, data: BenchmarkDataModule, path: Path) -> Trained:
    """The network with the weights of a file."""
    name = network_name(settings, data)
    if of_user(settings):
        network = network_of_user(settings, data, path)
    else:
        classes = 0 if data.class_names else classes_in(path, _plain(name, data, settings, 2))
        network = build_network(name, data, settings, classes)
        networks.load_weights(network, path)
    options = input_options(settings, data) | {"checkpoint": path.name}
    return Trained(network.eval(), name, networks.weights_hash(network), options)


def under_test(settings: Settings, data: BenchmarkDataModule, seed: int) -> Trained:
    """The network of a run: from its checkpoint; of the user, where nothing says how to train it, as it is built, its
    random weights by the seed; else trained.
    """
    if settings.checkpoints:
        return from_checkpoint(settings, data, settings.checkpoints[0])
    if not of_user(settings) or settings.preset is not None or settings.epochs is not None:
        return train(settings, data, seed)
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


def training_config_of(settings: Settings, data: BenchmarkDataModule, name: str) -> TrainingConfig:
    """How a network is trained in this run, its precision resolved: the preset's config, else the data set's, else the
    network's, else the task's.
    """
    if settings.preset is not None:
        config = networks.preset(settings.preset).config
    else:
        kind = "miniature_training_config" if data.origin == "miniature" else "training_config"
        sources = (data, networks.NETWORKS.get(name), TASKS[data.task])
        config = TrainingConfig(**next(given for s in sources if (given := getattr(s, kind, None))))
    if settings.epochs is not None:
        config = dataclasses.replace(config, epochs=settings.epochs)
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
    identity = {
        "network": name,
        "data": data.training_fingerprint,
        "preprocess": data.preprocess.fingerprint,
        "recipe": distinguishing(config),
        "seed": seed,
    }
    if named := input_options(settings, data):
        options |= named
        identity |= {"input": named}
    if of_user(settings):
        if settings.module is not None:
            raise ValueError(
                f"{name} was given as a module and cannot be built anew to be trained: name it, file.py:build"
            )
        identity["source"] = opened(settings, data).source_hash
    if exposure is not None:
        options |= {"outliers": exposure.outliers, "start": exposure.start.weights}
        identity |= {"outliers": exposure.fingerprint, "start": exposure.start.weights}

    def fit(network: nn.Module, folder: Path) -> dict[str, float]:
        if exposure is not None:  # also where a training state lies: it may turn out to be damaged
            network.load_state_dict(exposure.start.network.state_dict())
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
    return cached(identity, options, name, build, fit, log_line, data.fingerprint)


def cached(
    identity: dict[str, Any],
    options: dict[str, Any],
    name: str,
    build: Callable[[], nn.Module],
    fit: Callable[[Any, Path], dict[str, float]],
    log_line: str,
    whole_data: str = "",
) -> Trained:
    """A network from the cache, or built and fitted now and put there.

    Args:
        identity: everything that determines the weights, JSON-serialisable, with "seed". options: to report.
        fit: trains the network in place; keeps in the folder what it needs to resume.
        whole_data: fingerprint of the data with the test part, which earlier versions had as "data" in the identity:
            what they trained is taken.
    """
    folder, earlier = _folder(identity), _folder({**identity, "data": whole_data})
    if not (folder / WEIGHTS).is_file() and (earlier / WEIGHTS).is_file():
        folder = earlier
    weights = folder / WEIGHTS
    networks.seed_everything(identity["seed"])
    network = build()
    if weights.is_file() and _read(network, weights):
        _remove_state(folder)
        return Trained(network.eval(), name, networks.weights_hash(network), options, _seconds(folder))
    folder.mkdir(parents=True, exist_ok=True)
    log.info(log_line)
    start = time.perf_counter()
    figures = fit(network, folder)
    seconds = time.perf_counter() - start
    cost = {"seconds": seconds, "threads": torch.get_num_threads(), **figures}
    write_text(folder / COST, json.dumps(cost))
    networks.save_weights(network, weights, checksum=True)
    _remove_state(folder)
    log.info("trained: %s", ", ".join(f"validation {name} {value:.4f}" for name, value in figures.items()))
    return Trained(network.eval(), name, networks.weights_hash(network), options, seconds)


def _folder(identity: dict[str, Any]) -> Path:
    told = json.dumps({"version": CACHE_VERSION, **identity}, sort_keys=True, default=str)
    return cache_dir() / "networks" / hashlib.sha256(told.encode()).hexdigest()[:32]


def _remove_state(folder: Path) -> None:
    """Remove what a finished training no longer needs; an interruption may have left it beside the weights."""
    remove_leftovers(folder)
    for state in (folder / networks.LAST, checksum_file(folder / networks.LAST)):
        state.unlink(missing_ok=True)


def _read(network: nn.Module, weights: Path) -> bool:
    """Load cached weights; False, and a warning, where they are damaged. Those of earlier versions have no checksum:
    they get one now.
    """
    try:
        intact = whole(weights)
        if intact is False:
            raise ValueError("its checksum is another one")
        networks.load_weights(network, weights)
        if intact is None:
            write_text(checksum_file(weights), f"{sha256(weights)}\n")
    except (ValueError, OSError) as error:
        log.warning("the cached network %s is damaged and is trained anew (%s)", weights, one_line(error))
        return False
    return True


def distinguishing(config: TrainingConfig) -> dict[str, Any]:
    """What differs from the defaults: an option added later does not make trained networks strangers."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.default is dataclasses.MISSING or getattr(config, field.name) != field.default
    }


def _seconds(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / COST).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError):
        return None
