"""Features as the data and the network of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import networks
from benchmarks.calls.sources import PARTS
from benchmarks.features.files import FeatureArrays, checked, named_files, read_file
from benchmarks.features.network import ClosedNetwork, FeatureExtraction
from benchmarks.pipeline.given import Given
from benchmarks.under_test.cached import Trained
from datamodules import BenchmarkDataModule, cache_dir
from datamodules.loading.tensors import TensorSet
from datamodules.outside.given import GivenImages, given_data
from datamodules.registry import ANOMALIES, OWN_ANOMALIES
from lsood.io import check_file

FEATURES = "features"
Features = Sequence[str | Path] | Mapping[str, Mapping[str, Any] | str | Path]


def given_features(features: Features, ind: str) -> tuple[tuple[str, ...], tuple[str, ...], Given]:
    """Names of the OoD sets, the files or names of all sets, and the objects in their place.

    Args:
        features: files, ``NAME=FILE`` or ``FILE``; or {name: file, or arrays as `files.checked` takes them}. "train",
            "val" and "test" are in-distribution.
        ind: name of these three.

    Raises:
        ValueError, FileNotFoundError: files or arrays that cannot be used, or parts that are missing; one line.
    """
    if isinstance(features, str | Path):
        features = [features]
    if not isinstance(features, Mapping):
        files: Mapping[str, Any] = named_files([str(one) for one in features])
    else:
        files = features
    sets = {str(name): _read(str(name), value) for name, value in files.items()}
    if missing := [part for part in ("train", "test") if part not in sets]:
        raise ValueError(
            f"--features has no {missing[0]}: train and test are needed, val is optional; other names are OoD sets "
            f"(there are: {', '.join(sets) or 'none'})"
        )
    for name in sets:
        if ":" in name or name.endswith(ANOMALIES) or name.startswith("ind-") or name == OWN_ANOMALIES:
            raise ValueError(f"--features: a set cannot be named {name!r}; rename it, NAME=FILE")
    _check_alike(sets)
    ood = tuple(name for name in sets if name not in PARTS)
    if not ood:
        raise ValueError("--features has no OoD set: name a file other than train, val and test")
    tensors = {name: _tensors(f"{ind}, {name}" if name in PARTS else name, one) for name, one in sets.items()}
    first = sets["train"]
    heads = [one.head for one in sets.values() if one.head is not None]
    network = ClosedNetwork(first.features.shape[1], heads[0] if heads else None)
    about = given_data(ind, {part: tensors[part] for part in PARTS if part in tensors}, first.logits.shape[1])
    told = tuple(str(value) if isinstance(value, str | Path) else name for name, value in files.items())
    return ood, told, Given(about, {name: GivenImages(tensors[name]) for name in ood}, network)


def _read(name: str, value: Any) -> FeatureArrays:
    if isinstance(value, Mapping):
        return checked(name, value)
    if isinstance(value, str | Path):
        path = Path(value).expanduser()
        check_file(path, f"--features {path}")
        return read_file(path)
    raise ValueError(f"features of {name} must be a file or arrays by name, got {type(value).__name__}")


def _check_alike(sets: Mapping[str, FeatureArrays]) -> None:
    """Raise where sets are of different networks."""
    first = sets["train"]
    for one in sets.values():
        for what, of in (("features", "D"), ("logits", "K")):
            here, there = getattr(one, what).shape[1], getattr(first, what).shape[1]
            if here != there:
                raise ValueError(f"{one.source}: {of} of {what} is {here}, in {first.source} it is {there}")
    heads = [one for one in sets.values() if one.head is not None]
    for one in heads[1:]:
        assert one.head is not None and heads[0].head is not None
        if not all(torch.equal(a, b) for a, b in zip(one.head, heads[0].head, strict=True)):
            raise ValueError(f"{one.source} and {heads[0].source} hold different heads")


def _tensors(name: str, arrays: FeatureArrays) -> TensorSet:
    rows = torch.cat([arrays.features, arrays.logits], dim=1)
    return TensorSet(name, rows, arrays.labels, arrays.keys)


def closed(
    network: ClosedNetwork,
    data: BenchmarkDataModule,
    watch: Callable[[str, Iterable[Any]], Iterable[Any]],
) -> tuple[Trained, FeatureExtraction]:
    """What stands for the trained network, and what measures sets."""
    weights = networks.weights_hash(network)
    store = cache_dir() / "activations"
    extraction = FeatureExtraction(network, weights, data.preprocess.fingerprint, store, watch=watch)
    return Trained(network.eval(), FEATURES, weights, {"checkpoint": FEATURES}), extraction
