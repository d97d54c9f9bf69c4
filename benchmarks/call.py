"""One call: detectors compared on a network, from Python; the command is a thin layer over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from anomalies.recipe import recipe_of
from benchmarks.console import told
from benchmarks.names import check_names
from benchmarks.pipeline.config import Settings, resolve_device
from benchmarks.pipeline.given import Given
from benchmarks.pipeline.job import chosen_methods, run
from benchmarks.pipeline.options import settings_of
from benchmarks.results import Results
from datamodules import BenchmarkDataModule, module_of

Data = str | BenchmarkDataModule | type[BenchmarkDataModule]


def evaluate(
    network: nn.Module | str | None = None,
    ind: Any = "",
    ood: Any = (),
    *,
    methods: str | Sequence[str] = (),
    verbose: bool = False,
    **options: Any,
) -> Results:
    """Compare out-of-distribution detectors on one network, as ``python -m benchmarks.run`` does and with its numbers.

    Args:
        network: a module, which is left as it was, or what ``--network`` takes; None: by data set.
        ind, ood: names or what ``--ind`` and ``--ood`` take, data modules or classes of them; OoD sets also by names
            of their own, {name: set}.
        methods: as ``--methods`` takes them; none: the defaults of the task.
        verbose: show log lines and progress; else nothing is printed.
        options: the further options of the command, by their names with "_" for "-": ``data_root="data"``,
            ``mean=(0.5, 0.5, 0.5)``, ``seeds=(0, 1)``. With ``out`` the results are written there too, those of a seed
            as soon as they are there; without it nothing is written but the cache.

    Raises:
        ValueError, FileNotFoundError: in one line; an unknown option with the nearest name.
    """
    with told(verbose):
        settings, given = asked(network, ind, ood, methods, options, progress=verbose, command="evaluate")
        return run(settings, given)


def asked(
    network: nn.Module | str | None,
    ind: Any,
    ood: Any,
    methods: str | Sequence[str],
    options: Mapping[str, Any],
    **own: Any,
) -> tuple[Settings, Given]:
    """The settings of a call, and the objects that stand in it for names; arguments and errors as of :func:`evaluate`.

    Args:
        own: fields of Settings that are no options of :func:`evaluate`.
    """
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    name = network if isinstance(network, str) else None
    sets = (ood,) if isinstance(ood, str) else tuple(ood)
    check_names(ind, sets, methods, name, options.get("preset"), options.get("calibrate_on"))
    if (recipe := options.get("recipe")) is not None:
        recipe_of(recipe, ind)
    settings = settings_of(
        {**options, "device": resolve_device(options.get("device") or "auto")},
        ind=ind,
        ood=sets,
        network=name,
        module=network if isinstance(network, nn.Module) else None,
        methods=chosen_methods(module_of(ind).task, methods),
        **own,
    )
    return settings, Given()
