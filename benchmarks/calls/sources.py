"""What a call names as data: names and SPECs, data modules, DataLoaders; as names for the settings, and objects."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

import networks
from datamodules import BenchmarkDataModule
from datamodules.ood.base import OODSource
from datamodules.outside.given import GivenData, GivenImages, GivenModule, given_data
from datamodules.outside.loaders import IN_MEMORY, LoaderSet
from datamodules.registry import ANOMALIES, OWN_ANOMALIES, known_names
from lsood.text import unknown
from networks.outside.logits import traced_logits

LOADERS = "loaders"
"""Name of in-distribution data that loaders give."""
PARTS = ("train", "val", "test")
WHAT = "a name, a data module or a DataLoader"
Module = BenchmarkDataModule | type[BenchmarkDataModule]


def is_module(value: Any) -> bool:
    """Whether a value is a data module, or a class of one."""
    kind = value if inspect.isclass(value) else type(value)
    return issubclass(kind, BenchmarkDataModule)


class Memory:
    """Reads loaders, within one memory for the images of all of them."""

    def __init__(self) -> None:
        self.left = IN_MEMORY
        self._ind: list[tuple[LoaderSet, DataLoader[Any]]] = []

    def read(self, name: str, loader: DataLoader[Any], labelled: bool = True) -> LoaderSet:
        """See `datamodules.outside.loaders.LoaderSet`; raises ValueError also for images of in-distribution data."""
        images = LoaderSet(name, loader, labelled, self.left)
        self.left -= images.memory
        for known, other in self._ind:
            if other.dataset is loader.dataset and (both := set(known.keys) & set(images.keys)):
                raise ValueError(f"{known.name} and {name} share images of one data set, such as {min(both)}")
        if labelled:
            self._ind.append((images, loader))
        return images


def ind_of(
    ind: Any, network: nn.Module | str | None, memory: Memory, head: str | None = None
) -> tuple[str, Module | None]:
    """The name of in-distribution data, and the data where it is no name.

    Args:
        ind: a name or SPEC, a data module or a class of one, a DataLoader, or {"train", "val", "test": DataLoader}.
        network: whose outputs say how many classes there are, if it is a module. head: its layer that gives these.

    Raises:
        ValueError: something else, parts that are missing, or loaders that cannot be used; one line.
    """
    if isinstance(ind, str):
        return ind, None
    if is_module(ind):
        return ind.name, ind
    parts = {"train": ind} if isinstance(ind, DataLoader) else ind
    if not isinstance(parts, Mapping) or not all(isinstance(one, DataLoader) for one in parts.values()):
        raise ValueError(f"ind must be {WHAT}, or {{'train', 'val', 'test': DataLoader}}, got {_text(ind)}")
    check_parts(parts, isinstance(ind, DataLoader))
    sets = {part: memory.read(f"{LOADERS}, {part}", parts[part]) for part in PARTS if part in parts}
    return LOADERS, _given(sets, parts["train"], network, head)


def check_parts(parts: Iterable[str], whole: bool = False) -> None:
    """Raise ValueError for parts that are unknown or missing, unless all are drawn from "train"."""
    parts = list(parts)
    if wrong := [part for part in parts if part not in PARTS]:
        raise unknown("part", wrong[0], PARTS)
    if missing := [part for part in ("train", "test") if part not in parts and not whole]:
        raise ValueError(
            f"in-distribution data have no part {missing[0]!r}; train and test are needed, val is optional"
        )


def _given(
    sets: Mapping[str, LoaderSet],
    loader: DataLoader[Any],
    network: nn.Module | str | None,
    head: str | None,
) -> type[GivenData]:
    if not sets["train"].task:
        raise ValueError(f"{LOADERS}: no targets; in-distribution batches must be (images, targets)")
    classes = max(images.classes for images in sets.values())
    names = getattr(loader.dataset, "classes", ())
    names = tuple(map(str, names)) if isinstance(names, list | tuple) else ()
    about = given_data(LOADERS, sets, max(classes, 1), names)
    if not isinstance(network, nn.Module):
        return about
    outputs = outputs_of(network, about, classes, head)
    if outputs < classes:
        raise ValueError(
            f"network {type(network).__name__} has {outputs} outputs, the targets have a class {classes - 1}"
        )
    return given_data(LOADERS, sets, outputs, names)


def outputs_of(network: nn.Module, about: type[GivenData], classes: int, head: str | None) -> int:
    """How many classes a module returns logits of for the first images, ``classes`` or more; it stays as it is.

    Raises:
        ValueError: it fails, or returns no logits; one line.
    """
    data = about()
    data.setup()
    images: torch.Tensor = next(iter(data.val_dataloader()))["image"][:2]
    module = networks.open_network(network, 1, about.channels, {}, about.task).module
    return traced_logits(module, images, about.task, None, classes, head).logits.shape[1]


def ood_of(ood: Any, memory: Memory) -> dict[str, OODSource | None]:
    """{name: OoD images; None: the name or SPEC of a set}.

    Args:
        ood: one or several names, SPECs and data modules; or {name: one of these or a DataLoader}.

    Raises:
        ValueError: something else, a name that another set has, or loaders that cannot be used; one line.
    """
    found: dict[str, OODSource | None] = {}
    for name, value in members(ood):
        own, source = _ood(name, value, memory)
        if own in found:
            if source is None and found[own] is None:
                continue
            raise ValueError(f"two OoD sets are named {own!r}")
        found[own] = source
    return found


def members(ood: Any) -> list[tuple[Any, Any]]:
    """(name or None, value) of every OoD set; raises as :func:`ood_of`."""
    if isinstance(ood, DataLoader):
        raise ValueError("name the OoD loader: ood={'loud': loader}")
    if isinstance(ood, Mapping):
        return list(ood.items())
    if isinstance(ood, str) or is_module(ood):
        return [(None, ood)]
    if not isinstance(ood, Iterable):
        raise ValueError(f"ood must be {WHAT}, several of them, or {{name: one of them}}, got {_text(ood)}")
    return [(None, one) for one in ood]


def _ood(name: Any, value: Any, memory: Memory) -> tuple[str, OODSource | None]:
    if isinstance(value, str):
        if name not in (None, value):
            raise ValueError(
                f"ood={{{name!r}: {value!r}}}: names of sets stay; write {value!r}: {value!r}, or a list"
            )
        return value, None
    if is_module(value):
        if name not in (None, value.name):
            _check_own(name)
        return str(name or value.name), GivenModule(value)
    if isinstance(value, DataLoader) and name is not None:
        _check_own(name)
        return name, GivenImages(memory.read(name, value, labelled=False))
    if isinstance(value, DataLoader):
        raise ValueError("name the OoD loaders: ood={'loud': loader}")
    raise ValueError(f"OoD set {name or ''}: {WHAT} is needed, got {_text(value)}")


def _check_own(name: Any) -> None:
    """Raise ValueError for a name that an object cannot have."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"names of OoD sets are text, got {name!r:.40}")
    taken = name in known_names() or name == OWN_ANOMALIES or name.endswith(ANOMALIES) or name in PARTS
    if taken or ":" in name or name.startswith("ind-"):
        raise ValueError(f"OoD set {name!r}: the name stands for another set; choose another one")


def _text(value: Any) -> str:
    return f"{value!r:.40}" if isinstance(value, int | float | None) else type(value).__name__
