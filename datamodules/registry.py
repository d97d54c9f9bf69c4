"""Data sets by name. Names and descriptions are read from the source files: nothing is imported until a set is used.

A new file in ``datamodules/ind`` with a data module, or in ``datamodules/ood`` with an `OODSet`, is found by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from lsood.io import unknown
from lsood.registry import Registry, load

if TYPE_CHECKING:
    from datamodules.base import BenchmarkDataModule
    from datamodules.imagesets.base import ImageSet
    from datamodules.ood.base import Host, OODSource

DATAMODULES = Registry(
    "in-distribution set",
    ("datamodules.ind", "datamodules.base", "datamodules.description"),
    group="lsood.datamodules",
)
"""In-distribution sets: subclasses of `datamodules.BenchmarkDataModule`."""
OOD_SETS = Registry(
    "OoD set", ("datamodules.ood",), group="lsood.ood_sets", maker="OODSet", fields=("name", "description")
)
"""OoD sets that are read from files: `datamodules.OODSet` objects."""
NOISE = Registry("OoD set", ("datamodules.ood",), maker="NoiseSet")
"""OoD sets of noise: `datamodules.ood.noise.NoiseSet` objects."""
OUTLIER_SETS = Registry("outliers", ("datamodules.ood.outliers",), maker="OutlierSet")
"""Auxiliary outliers for training: `datamodules.ood.outliers.base.OutlierSet` objects."""
TASKS = Registry("task", ("datamodules.tasks",), group="lsood.data_tasks", key="task")
"""Tasks: subclasses of `datamodules.tasks.base.Task`."""

ANOMALIES, FOLDER, GENERATED = "-anomalies", "folder:", "generated:"


def module_of(spec: str) -> type[BenchmarkDataModule]:
    """The data module that ``--ind`` names.

    Args:
        spec: one of ``DATAMODULES``, or ``file.py:Class`` or ``package.module:Class`` of a `BenchmarkDataModule`.

    Raises:
        ValueError: unknown name, or no data module.
    """
    found = DATAMODULES.find(spec)
    if not (isinstance(found, type) and hasattr(found, "fit_dataloader")):
        raise ValueError(
            f"--ind {spec}: {spec.rpartition(':')[2]} is no subclass of datamodules.BenchmarkDataModule"
        )
    return cast("type[BenchmarkDataModule]", found)


def ood_descriptions() -> dict[str, str]:
    """{name: one line} of every OoD set, by name; without ``folder:PATH`` and ``generated:PATH``."""
    found = {name: f"test images of {name}" for name in DATAMODULES}
    found |= {f"{name}{ANOMALIES}": f"anomalies drawn on the test images of {name}" for name in DATAMODULES}
    for registry in (OOD_SETS, NOISE):
        found |= {name: registry.about(name, "description", "") for name in registry}
    return dict(sorted(found.items()))


def known_names() -> list[str]:
    """Name of every OoD set but ``folder:PATH`` and ``generated:PATH``, in order."""
    return list(ood_descriptions())


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError for the first name that is no OoD set; says the nearest one and lists all."""
    known = known_names()
    for name in names:
        if name not in known and not name.startswith((FOLDER, GENERATED)):
            raise unknown("OoD set", name, known, f", {FOLDER}PATH, {GENERATED}PATH")


def ood_set(name: str) -> OODSource:
    """An OoD set, to be opened for a data module.

    Args:
        name: one of :func:`known_names`, ``folder:PATH``, or ``generated:PATH`` of a set that
            ``python -m anomalies.generate`` made.

    Raises:
        ValueError: unknown name.
    """
    check_names([name])
    for registry in (OOD_SETS, NOISE):
        if name in registry:
            return cast("OODSource", registry[name])
    return cast("OODSource", load("datamodules.ood.derived").derived(name))


def load_ood(name: str, data: Host) -> ImageSet:
    """The images of an OoD set for a data module that is set up, at most ``data.limit``.

    Args:
        name: see :func:`ood_set`.
        data: gives root, seed, recipe, download, and its test images for anomalies and noise.

    Raises:
        ValueError: unknown name, or no images. FileNotFoundError: not below the root; says what is expected and where
            to get it.
    """
    return ood_set(name).open(data)
