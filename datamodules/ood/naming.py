"""What the OoD sets of a data module are called, and whose images they show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.registry import (
    ANOMALIES,
    DATAMODULES,
    OWN_ANOMALIES,
    drawn_on,
    folder_of,
    is_code,
    module_of,
)
from lsood.io import short_names, shown

if TYPE_CHECKING:
    from datamodules.ood.base import Host


def states(name: str, data: Host) -> bool:
    """Whether a name of an in-distribution set is that of a data module."""
    place = folder_of(name)
    if place is not None:
        return f"{name.partition(':')[0]}:{place.resolve()}" == data.spec
    return module_of(name) is type(data) if is_code(name) else name == data.name


def own_anomalies(name: str, data: Host) -> bool:
    """Whether the anomalies of an OoD set are drawn on the test images of a data module."""
    base = drawn_on(name)
    return name == OWN_ANOMALIES or (base is not None and states(base, data))


def short_ood_names(names: Iterable[str], data: Host) -> dict[str, str]:
    """{what an OoD set is called in results: its name as typed}: "<ind>-anomalies" of the anomalies on the test images
    of a data module; of paths their ends, as many parts as tell one from the others and from the data module.
    """
    own = f"{data.name}{ANOMALIES}"
    names = list(names)
    others = [name for name in names if not own_anomalies(name, data)]
    prefix, _, end = data.name.partition(":")
    taken = [f"{prefix}:{Path('/', ' ', f'{end}{more}')}" for more in ("", ANOMALIES)] if data.spec else []
    short = short_names([*others, *taken])
    return {shown(short[name]) if name in short else own: name for name in names}


def module_behind(name: str, data: Host) -> Any:
    """The data module, or its class, whose images a set shows, as they are or with anomalies; None: there is none.

    Args:
        name: as typed.
        data: the data module in use.
    """
    if own_anomalies(name, data):
        return data
    base = drawn_on(name) or name
    return module_of(base) if base in DATAMODULES or is_code(base) else None
