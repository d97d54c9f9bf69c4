"""Data sets by name. Names and descriptions are read from the source files: nothing is imported until a set is used.

A new file in ``datamodules/ind`` with a data module, or in ``datamodules/ood`` with an `OODSet`, is found by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lsood.registry import Registry, load
from lsood.text import unknown

if TYPE_CHECKING:
    from datamodules.imagesets.base import ImageSet
    from datamodules.ood.base import Host, OODSource

DATAMODULES = Registry(
    "in-distribution set",
    ("datamodules.ind", "datamodules.base", "datamodules.loading.of_sets", "datamodules.description"),
    group="lsood.datamodules",
)
"""In-distribution sets: subclasses of `datamodules.BenchmarkDataModule`."""
OOD_SETS = Registry(
    "OoD set", ("datamodules.ood",), group="lsood.ood_sets", maker="OODSet", fields=("name", "description")
)
"""OoD sets that are read from files: `datamodules.OODSet` objects."""
NOISE = Registry("OoD set", ("datamodules.ood",), maker="NoiseSet")
"""OoD sets of noise: `datamodules.ood.noise.NoiseSet` objects."""
SHIFTED = Registry("OoD set", ("datamodules.ood",), maker="CorruptedSet")
"""OoD sets of corrupted test images: `datamodules.ood.corrupted.CorruptedSet` objects."""
OUTLIER_SETS = Registry("outliers", ("datamodules.ood.outliers",), maker="OutlierSet")
"""Auxiliary outliers for training: `datamodules.ood.outliers.base.OutlierSet` objects."""
TASKS = Registry("task", ("datamodules.tasks",), group="lsood.data_tasks", key="task")
"""Tasks: subclasses of `datamodules.tasks.base.Task`."""

ANOMALIES, FOLDER, GENERATED = "-anomalies", "folder:", "generated:"
OWN_ANOMALIES = "anomalies"
"""Short for ``<ind>-anomalies``."""
OUTSIDE = {
    "folder:": "datamodules.outside.folder",
    "segmentation:": "datamodules.outside.segmentation",
    "coco:": "datamodules.outside.coco",
    "coco-masks:": "datamodules.outside.coco_masks",
}
"""{prefix of a data set in a folder of the user: module whose ``data_module(folder, keep_together)`` describes it}."""
SPECS = "folder:DIR, segmentation:DIR, coco:DIR, coco-masks:DIR, file.py:Class"
_CODE = re.compile(r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*")
_WRITTEN = ("is_there", "split")
_STATED = ("name", "task", "class_names", "mean", "std", "image_size")


def folder_of(name: str) -> Path | None:
    """The folder that a name such as "folder:~/x" or "generated:x" states; None: it states none."""
    prefix = next((p for p in (*OUTSIDE, GENERATED) if name.startswith(p)), None)
    return None if prefix is None else Path(name.removeprefix(prefix)).expanduser()


def is_code(name: str) -> bool:
    """Whether a name has the form of ``file.py:Class`` or ``package.module:Class``."""
    return folder_of(name) is None and _CODE.fullmatch(name) is not None


def drawn_on(name: str) -> str | None:
    """The data set on whose test images the anomalies of an OoD set are drawn; None: these are other images.

    ``folder:DIR-anomalies`` is the folder of that name where there is one.
    """
    base = name.removesuffix(ANOMALIES)
    if base in (name, "") or name.startswith(GENERATED):
        return None
    place, below = folder_of(name), folder_of(base)
    if place is not None and below is not None and (place.exists() or not below.exists()):
        return None
    return base


def module_of(spec: str, keep_together: str | None = None) -> type[Any]:
    """The data module, a subclass of `BenchmarkDataModule`, that ``--ind`` names.

    Args:
        spec: one of ``DATAMODULES``, a folder of the user with a prefix of ``OUTSIDE``, or ``file.py:Class`` or
            ``package.module:Class`` of a `BenchmarkDataModule`.
        keep_together: text in file names of a folder of the user, see `datamodules.outside.parts`.

    Raises:
        ValueError: unknown name, no data module, or a folder in another layout; for code also without what a data
            module must state. FileNotFoundError: no such folder.
    """
    _check_place(spec)
    for prefix, module in OUTSIDE.items():
        if spec.startswith(prefix):
            made: type[Any] = load(module).data_module(Path(spec.removeprefix(prefix)), keep_together)
            return made
    if keep_together is not None:
        raise ValueError(
            f"--keep-together is for folders of yours ({', '.join(OUTSIDE)}); {spec} has parts of its own"
        )
    if spec.startswith(GENERATED):
        raise ValueError(f"--ind {spec}: a generated set shows anomalies, so it is an OoD set: --ood {spec}")
    try:
        found = DATAMODULES.find(spec)
    except ValueError as error:
        raise ValueError(f"{error}; the forms: {SPECS}") if ":" in spec else error from error
    if not (isinstance(found, type) and hasattr(found, "fit_dataloader")):
        raise ValueError(
            f"--ind {spec}: {spec.rpartition(':')[2]} is no subclass of datamodules.BenchmarkDataModule"
        )
    lacking = [name for name in _STATED if not hasattr(found, name)]
    lacking += [f"{n}()" for n in _WRITTEN if getattr(getattr(found, n, None), "__isabstractmethod__", False)]
    if lacking:
        raise ValueError(f"data module {spec} does not define {', '.join(lacking)}")
    return found


def ood_descriptions() -> dict[str, str]:
    """{name: one line} of every OoD set, by name; without those in folders and files of the user."""
    found = {name: f"test images of {name}" for name in DATAMODULES}
    found |= {f"{name}{ANOMALIES}": f"anomalies drawn on the test images of {name}" for name in DATAMODULES}
    for registry in (OOD_SETS, NOISE, SHIFTED):
        found |= {name: registry.about(name, "description", "") for name in registry}
    return dict(sorted(found.items()))


def known_names() -> list[str]:
    """Name of every OoD set but those in folders and files of the user, in order."""
    return list(ood_descriptions())


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError for the first name that is no OoD set; says the nearest one and lists all."""
    known = [OWN_ANOMALIES, *known_names()]
    for name in names:
        _check_place(name)
        place = folder_of(name)
        if name not in known and place is None and not is_code(name.removesuffix(ANOMALIES)):
            raise unknown("OoD set", name, known, f", {SPECS}, {GENERATED}DIR")


def check_known(name: str) -> None:
    """Raise ValueError for a name that states no set of known images, of which calibration and thresholds may come."""
    _check_place(name)
    of_user = folder_of(name) is not None or is_code(name)
    if name not in DATAMODULES and (not of_user or name.startswith(GENERATED)):
        raise unknown("calibration set", name, DATAMODULES, f", {SPECS}")


def _check_place(name: str) -> None:
    """Raise ValueError for a prefix with no folder behind it, which is not the current one."""
    if (prefix := name.removesuffix(ANOMALIES)) in (*OUTSIDE, GENERATED):
        raise ValueError(f"{name} names no folder; write {prefix}DIR")


def below_data_root(name: str) -> bool:
    """Whether a set is looked for below the data root, so that a miniature stands in for it without one."""
    base = drawn_on(name) or name
    return base not in (*NOISE, OWN_ANOMALIES) and folder_of(base) is None


def short_of(spec: str) -> str:
    """A name of an in-distribution set as a folder of results may be called: of a path its last part, of code the name
    of its class.
    """
    place = folder_of(spec)
    return spec.rpartition(":")[2] if place is None else place.resolve().name


def ood_set(name: str) -> OODSource:
    """An OoD set, to be opened for a data module.

    Args:
        name: one of :func:`known_names`; a data set as :func:`module_of` takes it, of which the test part is meant (of
            ``folder:DIR`` all images below), with "-anomalies" behind it its anomalies; ``generated:DIR`` of a set that
            ``python -m anomalies.generate`` made; ``OWN_ANOMALIES``.

    Raises:
        ValueError: unknown name.
    """
    check_names([name])
    for registry in (OOD_SETS, NOISE, SHIFTED):
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
