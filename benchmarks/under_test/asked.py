"""The network that ``python -m networks.train`` was last asked for, where a run says nothing about its training."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.pipeline.config import Settings
from benchmarks.under_test.cached import IDENTITY, WEIGHTS, Trained, as_read, cached
from benchmarks.under_test.outside import of_user
from benchmarks.under_test.training import (
    build_network,
    from_checkpoint,
    network_name,
    place_of,
    train,
    untrained,
)
from datamodules import BenchmarkDataModule, cache_dir
from lsood.io import log, read_index
from networks import TrainingConfig

Record = dict[str, Any]
HOW = ("recipe", "seed", "build", "start")
"""What of a training's identity says how it went."""
FIELDS = tuple(field.name for field in dataclasses.fields(TrainingConfig))


def under_test(settings: Settings, data: BenchmarkDataModule, seed: int) -> tuple[Settings, Trained]:
    """The network of a run, and the settings that its auxiliary networks are trained by: from the checkpoint; as the
    user last asked ``networks.train`` for it, unless an option says how to train; one of the user as it is built, where
    nothing says how to train it; else trained.

    Raises:
        ValueError: see :func:`from_checkpoint`; or ``networks.train`` started from a checkpoint and did not train this
            seed.
    """
    if settings.checkpoints:
        return settings, from_checkpoint(settings, data, settings.checkpoints[0])
    name = network_name(settings, data)
    records = _records(settings, data, name)
    if not records and of_user(settings) and settings.preset is None and settings.epochs is None:
        return settings, untrained(settings, data, seed)
    if not records:
        return settings, train(settings, data, seed)
    last = max(records.items(), key=lambda found: found[1]["asked"])[1]
    settings = _by(settings, last)
    same = {folder: one for folder, one in records.items() if _config(one) == _config(last)}
    own = [folder for folder, one in same.items() if one["identity"]["seed"] == seed]
    where = own[0] if own else f"seed {seed} is trained now"
    log.info("network: %s as networks.train trained it last, %s (%s)", name, _told(last), where)
    if "start" not in last["identity"]:
        return settings, train(settings, data, seed)
    if not own:
        raise ValueError(
            f"networks.train trained {name} from a checkpoint, but not seed {seed}: train that seed too, or name "
            "--checkpoint, --preset or --epochs"
        )
    record = same[own[0]]
    build = partial(build_network, name, data, settings)
    return settings, cached(record["identity"], record["options"], name, build, _gone, "")


def _records(settings: Settings, data: BenchmarkDataModule, name: str) -> dict[Path, Record]:
    """{folder: what is known of it} of the trainings that the user asked for and that fit a run; none where an option
    of the run says how to train.
    """
    if settings.preset is not None or settings.epochs is not None or settings.module is not None:
        return {}
    files = list((cache_dir() / "networks").glob(f"*/{IDENTITY}"))
    wanted = as_read(place_of(settings, data, name)) if files else {}
    found = {}
    for file in files:
        record = read_index(file) or {}
        identity = record.get("identity", {})
        if (
            record.get("asked")
            and (file.parent / WEIGHTS).is_file()
            and {key: value for key, value in identity.items() if key not in HOW} == wanted
            and identity["seed"] in settings.seeds
        ):
            found[file.parent] = record
    return found


def _config(record: Record) -> Record:
    """How a training went, its seed aside."""
    return {name: value for name, value in record["options"].items() if name != "seed"}


def _by(settings: Settings, record: Record) -> Settings:
    training = {name: record["options"][name] for name in FIELDS if name in record["options"]}
    return dataclasses.replace(settings, preset=record["preset"], training=training)


def _told(record: Record) -> str:
    options = record["options"]
    return f"{options['epochs']} epochs, {options['loss']}, lr {options['lr']:g}"


def _gone(network: object, folder: Path) -> dict[str, float]:
    raise ValueError(f"the weights in {folder} are damaged; run the same networks.train again")
