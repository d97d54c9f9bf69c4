"""Trained networks in the cache: content-addressed, checksummed, with a file beside each that says what it is."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import networks
from benchmarks.tracking import current_tracker
from datamodules import cache_dir
from lsood.io import (
    checksum_file,
    claimed,
    log,
    read_index,
    remove_leftovers,
    sha256,
    whole,
    write_index,
    write_text,
)
from lsood.text import one_line
from networks.training.curve import observed, read_curve

CACHE_VERSION = 2
COST = "training.json"
IDENTITY = "identity.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Trained:
    """A network with its weights' hash, how it came about, and the seconds its training took (None: not known).

    Attributes:
        folder: of the cache; None: the weights come from elsewhere.
    """

    network: nn.Module
    name: str
    weights: str
    options: dict[str, Any]
    seconds: float | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Planned:
    """A training that a run needs: of which network and seed, how many epochs, whether the cache has it, and how many
    images a step forwards for one of its batch.
    """

    name: str
    seed: int
    epochs: int
    cached: bool
    images: int = 1


_plan: ContextVar[list[Planned] | None] = ContextVar("planned_trainings", default=None)


@contextmanager
def planning() -> Iterator[list[Planned]]:
    """Inside the block nothing is trained: :func:`cached` adds to the list what it would do, and gives a network that
    is not in the cache with random weights.
    """
    found: list[Planned] = []
    token = _plan.set(found)
    try:
        yield found
    finally:
        _plan.reset(token)


def cached(
    identity: dict[str, Any],
    options: dict[str, Any],
    name: str,
    build: Callable[[], nn.Module],
    fit: Callable[[Any, Path], dict[str, float]],
    log_line: str,
    whole_data: str = "",
    about: Mapping[str, Any] | None = None,
) -> Trained:
    """A network from the cache, or built and fitted now and put there. Its training curve goes to the tracker.

    Args:
        identity: everything that determines the weights, JSON-serialisable, with "seed". options: to report.
        fit: trains the network in place; keeps in the folder what it needs to resume.
        whole_data: fingerprint of the data with the test part, which earlier versions had as "data" in the identity:
            what they trained is taken.
        about: to be found and listed by, beside name, identity and options. "asked": the time at which the user asked
            for this training alone; kept from an earlier call without.
    """
    folder = _place(identity, whole_data)
    weights = folder / WEIGHTS
    networks.seed_everything(identity["seed"])
    network = build()
    told = partial(current_tracker().epoch, f"{name}-seed{identity['seed']}")
    plan = _plan.get()
    there = weights.is_file() and _read(network, weights, heal=plan is None)
    if plan is not None:
        epochs = options.get("epochs") or options.get("recipe", {}).get("epochs", 0)
        outliers = 2 if "outliers" in options else 0
        plan.append(Planned(name, identity["seed"], epochs, there, 1 + outliers))
        return Trained(network.eval(), name, networks.weights_hash(network), options)
    saying = {"name": name, "identity": identity, "options": options, **(about or {})}
    if there:
        _remove_state(folder)
        with suppress(OSError):  # a cache that others share for reading
            _identify(folder, saying)
        for row in read_curve(folder):
            told(row)
        if figures := figures_of(folder):
            log.info("%s, seed %d, from the cache: %s", name, identity["seed"], _told(figures))
        return Trained(
            network.eval(), name, networks.weights_hash(network), options, _seconds(folder), folder
        )
    folder.mkdir(parents=True, exist_ok=True)
    log.info(log_line)
    start = time.perf_counter()
    with claimed(folder), observed(told):
        _identify(folder, saying)
        for row in read_curve(folder):  # of a training that resumes
            told(row)
        figures = fit(network, folder)
        seconds = time.perf_counter() - start
        cost = {"seconds": seconds, "threads": torch.get_num_threads(), **figures}
        write_text(folder / COST, json.dumps(cost))
        networks.save_weights(network, weights, checksum=True)
    _remove_state(folder)
    log.info("trained: %s", _told(figures))
    return Trained(network.eval(), name, networks.weights_hash(network), options, seconds, folder)


def _told(figures: Mapping[str, float]) -> str:
    return ", ".join(f"validation {name} {value:.4f}" for name, value in figures.items())


def _identify(folder: Path, content: Mapping[str, Any]) -> None:
    """Write what a network is beside its weights; the file's time is that of its last use."""
    known = read_index(folder / IDENTITY) or {}
    said = as_read({**known, **content})
    if known == said:
        os.utime(folder / IDENTITY)
    else:
        write_index(folder / IDENTITY, said)


def figures_of(folder: Path) -> dict[str, float]:
    """What a training reached on the validation images, {"accuracy" or "miou" or "map", "loss": ...}; {} where that is
    not known.
    """
    try:
        cost = json.loads((folder / COST).read_text(encoding="utf-8"))
        return {name: float(value) for name, value in cost.items() if name not in ("seconds", "threads")}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _folder(identity: dict[str, Any]) -> Path:
    told = json.dumps({"version": CACHE_VERSION, **identity}, sort_keys=True, default=str)
    return cache_dir() / "networks" / hashlib.sha256(told.encode()).hexdigest()[:32]


def _place(identity: dict[str, Any], whole_data: str) -> Path:
    """The folder of a training, or the one in which an earlier version put it: with another fingerprint of the data,
    without the options of the network's constructor.
    """
    plain = {name: value for name, value in identity.items() if name != "build"}
    others = [{**identity, "data": whole_data}, plain, {**plain, "data": whole_data}]
    folder = _folder(identity)
    for earlier in [] if (folder / WEIGHTS).is_file() else map(_folder, others):
        if (earlier / WEIGHTS).is_file():
            known = read_index(earlier / IDENTITY)
            if known is None or known.get("identity") == as_read(identity):
                return earlier
    return folder


def as_read(content: Any) -> Any:
    """As it is read again."""
    return json.loads(json.dumps(content, default=str))


def _remove_state(folder: Path) -> None:
    """Remove what a finished training no longer needs; an interruption may have left it beside the weights."""
    remove_leftovers(folder)
    for state in (folder / networks.LAST, checksum_file(folder / networks.LAST)):
        state.unlink(missing_ok=True)


def _read(network: nn.Module, weights: Path, heal: bool = True) -> bool:
    """Load cached weights; False, and a warning, where they are damaged. Those of earlier versions have no checksum:
    they get one now, if ``heal``.
    """
    try:
        intact = whole(weights)
        if intact is False:
            raise ValueError("its checksum is another one")
        networks.load_weights(network, weights)
        if intact is None and heal:
            write_text(checksum_file(weights), f"{sha256(weights)}\n")
    except (ValueError, OSError) as error:
        log.warning("the cached network %s is damaged and is trained anew (%s)", weights, one_line(error))
        return False
    return True


def _seconds(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / COST).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError):
        return None
