"""One call: detectors compared on a network, from Python; the command is a thin layer over it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from anomalies.recipe import recipe_of
from benchmarks.calls.as_found import as_found
from benchmarks.calls.options import check_options, settings_of
from benchmarks.calls.sources import Memory, ind_of, members, ood_of
from benchmarks.console import told
from benchmarks.features.run import FEATURES, given_features
from benchmarks.names import check_names
from benchmarks.pipeline.config import Settings, resolve_device
from benchmarks.pipeline.given import Given
from benchmarks.pipeline.job import chosen_methods, run
from benchmarks.results import Results
from datamodules import BenchmarkDataModule, module_of
from lsood.methods import spec_of
from networks.outside.spec import is_predictions

DATA_ROOT = "LSOOD_DATA"
"""Environment variable with the default of ``data_root``."""
OF_DATA = ("data_root", "miniature", "download", "limit", "recipe", "every_kind", "keep_together")
"""Options of data that are opened by name."""
OF_NETWORKS = (
    "checkpoint", "preset", "epochs", "network_arg", "classes", "mean", "std", "channel_order", "input_range",
    "latent_layer", "feature_layers", "head_layer", "image_size", "ensemble_size", "outliers", "calibrate_on",
)  # fmt: skip

OF_PASSES = (
    "checkpoint", "preset", "epochs", "network_arg", "classes", "channel_order", "latent_layer", "feature_layers",
    "head_layer", "ensemble_size", "outliers", "describe_network", "dry_run",
)  # fmt: skip
"""Options of networks that files of results have no use for."""


def evaluate(
    network: nn.Module | str | None = None,
    ind: Any = "",
    ood: Any = (),
    *,
    methods: Any = (),
    verbose: bool = False,
    **options: Any,
) -> Results:
    """Compare out-of-distribution detectors on one network, as ``python -m benchmarks.run`` does and with its numbers.

    Args:
        network: a module, which is left as it was, or what ``--network`` takes; None: by data set.
        ind: a name or what ``--ind`` takes, a data module or its class, or DataLoaders of (images, targets):
            {"train": ..., "val": ..., "test": ...}, where "val" may be missing, or one, which is divided by seed into
            60 % fit, 20 % calibration and 20 % test.
        ood: names or what ``--ood`` takes, or data modules; or {name: one of these or a DataLoader}.
        methods: as ``--methods`` takes them, subclasses of `lsood.Detector`, or objects of these; one or several; none:
            the defaults of the task.
        verbose: show log lines and progress; else nothing is printed.
        options: the further options of the command, by their names with "_" for "-": ``data_root="data"``,
            ``mean=(0.5, 0.5, 0.5)``, ``seeds=(0, 1)``. With ``out`` the results are written there too, those of a seed
            as soon as they are there; without it nothing is written but the cache.

    Raises:
        ValueError, FileNotFoundError: in one line; an unknown option with the nearest name.
    """
    with told(verbose), as_found(network if isinstance(network, nn.Module) else None):
        settings, given = asked(
            network, ind, ood, methods, options, progress=verbose, command="benchmarks.evaluate"
        )
        return run(settings, given)


def asked(
    network: nn.Module | str | None,
    ind: Any,
    ood: Any,
    methods: Any,
    options: Mapping[str, Any],
    **own: Any,
) -> tuple[Settings, Given]:
    """The settings of a call, and the objects that stand in it for names; arguments and errors as of :func:`evaluate`.

    Args:
        own: fields of Settings that are no options of :func:`evaluate`.
    """
    check_options(options)
    methods = () if methods is None else methods
    several = isinstance(methods, list | tuple | set)
    methods = tuple(spec_of(method) for method in (methods if several else (methods,)))
    name = network if isinstance(network, str) else None
    if options.get("features"):
        return _of_features(network, ind, ood, methods, options, own)
    if not isinstance(network, str | nn.Module | None):
        raise ValueError(f"network must be a torch.nn.Module or a name, got {type(network).__name__}")
    check_names(
        ind if isinstance(ind, str) else None,
        [one for _, one in members(ood) if isinstance(one, str)],
        methods,
        name,
        options.get("preset"),
        options.get("calibrate_on"),
    )
    memory = Memory()
    ind_name, data = ind_of(ind, network, memory, options.get("head_layer"))
    sets = ood_of(ood, memory)
    if isinstance(data, BenchmarkDataModule) and (fixed := [name for name in OF_DATA if options.get(name)]):
        raise ValueError(f"{fixed[0]} belongs to data that are named; the data module has its own")
    if (recipe := options.get("recipe")) is not None:
        recipe_of(recipe, ind_name)
    if is_predictions(name):
        asked_for = {**options, **{stop: own.get(stop) for stop in ("describe_network", "dry_run")}}
        if refused := [option for option in OF_PASSES if asked_for.get(option)]:
            raise ValueError(f"{refused[0]} is for networks; {name} is a file of results")
    task = (module_of(ind_name, options.get("keep_together")) if data is None else data).task
    root = options.get("data_root") or os.environ.get(DATA_ROOT) or None
    settings = settings_of(
        {**options, "data_root": root, "device": resolve_device(options.get("device") or "auto")},
        ind=ind_name,
        ood=tuple(sets),
        network=name,
        module=network if isinstance(network, nn.Module) else None,
        methods=chosen_methods(task, methods),
        **own,
    )
    return settings, Given(data, {name: images for name, images in sets.items() if images is not None})


def _of_features(
    network: object,
    ind: Any,
    ood: Any,
    methods: Sequence[str],
    options: Mapping[str, Any],
    own: Mapping[str, Any],
) -> tuple[Settings, Given]:
    """:func:`asked` where features stand for network and images; ``ind`` is their name."""
    if network is not None or not isinstance(ind, str) or len(ood):
        wrong = "network" if network is not None else "ood" if len(ood) else "ind"
        raise ValueError(f"features stand for network and images; leave out {wrong}, OoD sets are files too")
    if refused := [name for name in OF_NETWORKS if options.get(name)]:
        raise ValueError(f"{refused[0]} is for networks and images; features stand for both")
    check_names(None, (), methods, None, None)
    ood, files, given = given_features(options["features"], ind or FEATURES)
    settings = settings_of(
        {name: value for name, value in options.items() if name not in ("features", "device", "naive")},
        ind=ind or FEATURES,
        ood=ood,
        features=files,
        naive=False,
        methods=chosen_methods("classification", methods),
        **own,
    )
    return settings, given
