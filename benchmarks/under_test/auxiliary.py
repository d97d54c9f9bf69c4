"""Methods with the auxiliary networks that some of them need, trained or read from the cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import networks
from benchmarks.naive import Naive
from benchmarks.pipeline.config import Settings
from benchmarks.under_test.cached import Trained, cached
from benchmarks.under_test.outside import AS_BUILT, input_options, of_user, opened
from benchmarks.under_test.training import (
    Exposure,
    build_network,
    check_labelled,
    distinguishing,
    from_checkpoint,
    train,
    training_config_of,
)
from datamodules import BenchmarkDataModule, ImageSet
from datamodules.imagesets.left_out import Unreadable
from lsood.detector import Detector
from lsood.io import log
from lsood.methods import create
from lsood.text import reason
from networks.models.autoencoder import Autoencoder
from networks.models.vmdls import VMDLSNet
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.fit import fit_autoencoder, fit_vmdls

MEMBER_SEED = 1000
TUNING_SHARE = 0.25


@dataclass
class Methods:
    """Detectors of one level by the name they were asked by; why some cannot be used; seconds that training their
    auxiliary networks took.
    """

    detectors: dict[str, Detector] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def image_methods(
    names: Sequence[str], settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int
) -> Methods:
    """The methods of the image level, and the image-statistics baseline to compare them with."""
    found = Methods()
    for name in names:
        detector = create(name)
        applies = data.task not in detector.unsupported_tasks
        if applies and (why := _unusable(trained, detector, settings)):
            found.failures[name] = why
        elif detector.auxiliary_networks is not None and applies:
            try:
                others = AUXILIARY[detector.auxiliary_networks](settings, data, trained, seed)
                nets = tuple(other.network.to(settings.device) for other in others)
                given = {k: v for k, v in detector.get_params().items() if not k.endswith("_hash")}
                weights = "".join(other.weights for other in others)
                detector = type(detector)(nets, weights, **given)  # type: ignore[call-arg]
                found.seconds[name] = sum(other.seconds or 0.0 for other in others)
            except Unreadable:
                raise
            except Exception as error:
                found.failures[name] = reason(error)
                log.warning("%s: %s", name, found.failures[name])
        found.detectors[name] = detector
    if settings.naive:
        found.detectors[Naive.name] = Naive()
    return found


def _unusable(trained: Trained, detector: Detector, settings: Settings) -> str | None:
    """Why a network cannot be used with a method; None: it can."""
    network: Any = trained.network
    if hasattr(network, "unusable") and (why := network.unusable(detector)):
        return str(why)
    built = settings.module is None and trained.options.get("checkpoint") == AS_BUILT
    if detector.auxiliary_networks is not None and built:
        return (
            "needs networks that are trained like the one under test, and nothing says how this one was trained: give "
            "files after --checkpoint, or train it with python -m networks.train"
        )
    return None


def plain_methods(names: Sequence[str], why: str = "which score whole images only") -> Methods:
    """The methods of a level that has no auxiliary networks; ``why``."""
    found = Methods({name: create(name) for name in names})
    for name, detector in found.detectors.items():
        if detector.auxiliary_networks is not None:
            found.failures[name] = f"{name} needs auxiliary networks, {why}"
    return found


def _ensemble(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """Further members: of a run's further checkpoints, or trained with seeds of their own."""
    if settings.checkpoints:
        return [from_checkpoint(settings, data, path) for path in settings.checkpoints[1:]]
    size = settings.ensemble_size or (3 if data.origin == "miniature" else 5)
    return [train(settings, data, seed + MEMBER_SEED * i) for i in range(1, size)]


def _dropout(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """The variant of the network with more dropout, as the FSSD authors train it."""
    about = networks.NETWORKS.about
    variants = {n: v for n in networks.NETWORKS if (v := about(n, "dropout_variant"))}
    if trained.name not in variants:
        raise ValueError(
            f"there is no dropout variant of {trained.name} ({', '.join(variants)} has one); "
            "mc-dropout samples the dropout layers of the network under test"
        )
    return [train(settings, data, seed, name=variants[trained.name])]


def _exposed(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """The network under test tuned with auxiliary outliers ("OE-tune"): a quarter of the epochs, a tenth of the
    learning rate.
    """
    config = training_config_of(settings, data, trained.name)
    epochs = max(1, round(TUNING_SHARE * config.epochs))
    tuning = dataclasses.replace(config, epochs=epochs, lr=config.lr / 10)
    loader = data.outlier_dataloader(2 * config.batch_size, settings.outliers)
    outliers: ImageSet = loader.dataset.images  # type: ignore[attr-defined]
    exposure = Exposure(trained, tuning, loader, outliers.name, outliers.fingerprint)
    return [train(settings, data, seed, exposure=exposure)]


def _vmdls(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """A VMDLS network with the architecture under test, and an autoencoder. The preset's own batches and margins
    where it has any; else ten classes of twenty images and a margin that is reached half-way.
    """
    if settings.module is not None:
        raise ValueError(f"{trained.name} was given as a module and cannot be built anew to be trained")
    if getattr(trained.network, "head_rows", None) is not None:
        raise ValueError(
            "VMDLS replaces the head; this network's outputs are not the data's classes in their order"
        )
    check_labelled(data)
    plain = training_config_of(settings, data, trained.name)
    extra = {} if settings.preset is None else networks.preset(settings.preset).extra
    latent, margin = (int(extra.get(n, 32)) for n in ("latent_dimension", "distancing_margin"))
    classes = min(int(extra.get("classes_per_batch", 10)), data.num_classes)
    batches = {
        "batch_size": classes * int(extra.get("images_per_class", 20)),
        "classes_per_batch": classes,
        "distancing_margin": float(margin),
        "margin_growth": 1.0 if extra else max(1.0, 2 * margin / plain.epochs),
    }
    config = VMDLSTrainingConfig(**{**dataclasses.asdict(plain), **batches})
    reconstruct = dataclasses.replace(plain, optimizer="adam", lr=1e-3, schedule="one-cycle", milestones=())
    common = {"data": data.training_fingerprint, "preprocess": data.preprocess.fingerprint, "seed": seed}

    def encoder() -> nn.Module:
        return VMDLSNet(build_network(trained.name, data, settings), latent)

    def fit_encoder(network: VMDLSNet, folder: Path) -> dict[str, float]:
        labels = torch.cat([batch["target"] for batch in data.fit_dataloader()])
        loaders = data.train_dataloader(config.batch_size), labels, data.val_dataloader()
        return fit_vmdls(network, *loaders, config, folder, settings.device, seed, settings.progress)

    def decoder() -> nn.Module:
        return Autoencoder(data.channels, data.image_size)

    def fit_decoder(network: Autoencoder, folder: Path) -> dict[str, float]:
        loaders = data.train_dataloader(reconstruct.batch_size), data.val_dataloader()
        return fit_autoencoder(
            network, *loaders, reconstruct, folder, settings.device, seed, settings.progress
        )

    vector = {
        "network": f"vmdls-{trained.name}",
        "latent": latent,
        "recipe": distinguishing(config),
        **common,
        **({"input": named} if (named := input_options(settings, data)) else {}),
        **({"source": opened(settings, data).source_hash} if of_user(settings) else {}),
    }
    image = {"network": "autoencoder", "recipe": distinguishing(reconstruct), **common}
    return [
        cached(
            vector,
            vector,
            f"vmdls-{trained.name}",
            encoder,
            fit_encoder,
            f"training VMDLS, {config.epochs} epochs",
            data.fingerprint,
        ),
        cached(
            image,
            image,
            "autoencoder",
            decoder,
            fit_decoder,
            "training the autoencoder of VMDLS",
            data.fingerprint,
        ),
    ]


Maker = Callable[[Settings, BenchmarkDataModule, Trained, int], list[Trained]]
AUXILIARY: dict[str, Maker] = {
    "ensemble": _ensemble,
    "mc-dropout": _dropout,
    "outlier-exposure": _exposed,
    "vmdls": _vmdls,
}
