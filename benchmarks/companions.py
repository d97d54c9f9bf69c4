"""The methods asked for, with the further networks some of them bring along, trained or read from the cache."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.naive import Naive
from benchmarks.settings import Settings
from benchmarks.trained import Exposure, Trained, from_checkpoint, recipe_of, train
from datamodules import BenchmarkDataModule
from lsood import Detector
from lsood.methods import create

log = logging.getLogger("lsood-bench")
MEMBER_SEED = 1000
TUNING_SHARE = 0.25
DROPOUT_NETWORKS = {"lenet": "lenet-mcd"}


@dataclass
class Methods:
    """Detectors by the name they were asked by; why some have none of the networks they need; seconds of
    training those networks took.
    """

    detectors: dict[str, Detector] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def methods_for(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> Methods:
    """The methods of a run beside the network under test, and the naive detector to compare them with."""
    found = Methods()
    for name in settings.methods:
        detector = create(name)
        if detector.companions is not None:
            try:
                others = COMPANIONS[detector.companions](settings, data, trained, seed)
                nets = tuple(other.network.to(settings.device) for other in others)
                detector = type(detector)(nets, "".join(other.weights for other in others))  # type: ignore[call-arg]
                found.seconds[name] = sum(other.seconds or 0.0 for other in others)
            except (ValueError, FileNotFoundError) as error:
                found.failures[name] = str(error).splitlines()[0]
                log.warning("%s: %s", name, found.failures[name])
        found.detectors[name] = detector
    if settings.naive:
        found.detectors[Naive.name] = Naive()
    return found


def _ensemble(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """Further members: of a run's further checkpoints, or trained with seeds of their own."""
    if settings.checkpoints:
        return [from_checkpoint(settings, data, path) for path in settings.checkpoints[1:]]
    size = settings.ensemble_size or (3 if data.origin == "miniature" else 5)
    return [train(settings, data, seed + MEMBER_SEED * i) for i in range(1, size)]


def _dropout(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """The variant of the network with more dropout, as the FSSD authors train it."""
    if trained.name not in DROPOUT_NETWORKS:
        raise ValueError(
            f"there is no dropout variant of {trained.name} ({', '.join(DROPOUT_NETWORKS)} has one); "
            "mc-dropout samples the dropout layers of the network under test"
        )
    return [train(settings, data, seed, name=DROPOUT_NETWORKS[trained.name])]


def _exposed(settings: Settings, data: BenchmarkDataModule, trained: Trained, seed: int) -> list[Trained]:
    """The network under test tuned with auxiliary outliers ("OE-tune"): a quarter of the epochs, a tenth of the
    learning rate.
    """
    recipe = recipe_of(settings, data, trained.name)
    epochs = max(1, round(TUNING_SHARE * recipe.epochs))
    tuning = dataclasses.replace(recipe, epochs=epochs, lr=recipe.lr / 10)
    loader = data.outlier_dataloader(2 * recipe.batch_size)
    outliers = loader.dataset.images
    return [
        train(
            settings,
            data,
            seed,
            exposure=Exposure(trained, tuning, loader, outliers.name, outliers.fingerprint),
        )
    ]


Maker = Callable[[Settings, BenchmarkDataModule, Trained, int], list[Trained]]
COMPANIONS: dict[str, Maker] = {
    "ensemble": _ensemble,
    "mc-dropout": _dropout,
    "outlier-exposure": _exposed,
}
