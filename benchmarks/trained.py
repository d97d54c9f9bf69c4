"""A trained network for a data module and a seed: from a checkpoint, from the cache, or trained now."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

import networks
from benchmarks.settings import Settings
from datamodules import BenchmarkDataModule, cache_dir

log = logging.getLogger("lsood-bench")
CACHE_VERSION = 1


@dataclass(frozen=True)
class Trained:
    """A network with its weights' hash and how it came about."""

    network: nn.Module
    name: str
    weights: str
    options: dict[str, Any]


def network_name(settings: Settings, data: BenchmarkDataModule) -> str:
    """The network asked for, or the default of the data set.

    Raises:
        ValueError: a network of another task.
    """
    name = settings.network or networks.default_network(data.name, data.origin == "miniature")
    spec = networks.NETWORKS.get(name)
    if spec is not None and spec.task != data.task:
        right = ", ".join(n for n, s in networks.NETWORKS.items() if s.task == data.task)
        raise ValueError(f"network {name!r} is for {spec.task}, {data.name} needs {data.task}: {right}")
    return name


def _build(name: str, data: BenchmarkDataModule) -> nn.Module:
    options = {"image_size": tuple(data.image_size)} if name == "lenet" else {}
    return networks.build(name, data.num_classes, data.channels, **options)


def from_checkpoint(settings: Settings, data: BenchmarkDataModule, path: Path) -> Trained:
    """The network with the weights of a file."""
    name = network_name(settings, data)
    network = _build(name, data)
    networks.load_weights(network, path)
    return Trained(network.eval(), name, networks.weights_hash(network), {"checkpoint": path.name})


def train(settings: Settings, data: BenchmarkDataModule, seed: int, progress: bool = True) -> Trained:
    """Train, or read from the cache what the same settings trained before; an interrupted training
    resumes.
    """
    name = network_name(settings, data)
    recipe = networks.default_recipe(name, data.name, data.origin == "miniature")
    if settings.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=settings.epochs)
    options = {**dataclasses.asdict(recipe), "seed": seed}
    identity = {
        "version": CACHE_VERSION,
        "network": name,
        "data": data.fingerprint,
        "preprocess": data.preprocess.fingerprint,
        "recipe": options,
    }
    address = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:32]
    folder = cache_dir() / "networks" / address
    weights = folder / "weights.safetensors"
    networks.seed_everything(seed)
    network = _build(name, data)
    if weights.is_file():
        try:
            networks.load_weights(network, weights)
            return Trained(network.eval(), name, networks.weights_hash(network), options)
        except ValueError as error:
            log.warning("the cached network %s is damaged and is trained anew (%s)", weights, error)
    folder.mkdir(parents=True, exist_ok=True)
    log.info("training %s on %s, seed %d, %d epochs", name, data.name, seed, recipe.epochs)
    figures = networks.fit(
        network,
        data.task,
        data.num_classes,
        data.train_dataloader(recipe.batch_size),
        data.val_dataloader(),
        recipe,
        folder,
        device=settings.device,
        seed=seed,
        progress=progress,
    )
    networks.save_weights(network, weights)
    (folder / "last.ckpt").unlink(missing_ok=True)
    log.info("trained: %s", ", ".join(f"validation {name} {value:.4f}" for name, value in figures.items()))
    return Trained(network.eval(), name, networks.weights_hash(network), options)
