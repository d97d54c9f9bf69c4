"""What the OoD sets of a data module are called, and whose images they show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.registry import (
    ANOMALIES,
    DATAMODULES,
    OWN_ANOMALIES,
    drawn_on,
    folder_of,
    is_code,
    module_of,
)
from lsood.text import short_names, shown

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


def sequence_rule(title: str, data: Host) -> Callable[[str], str | None] | None:
    """How the keys of a set tell the sequences of its images; None: not known.

    Args:
        title: "ind-val", "ind-test" or the short name of an OoD set.
        data: the data module in use.
    """
    name = data.calibrated_on if title == "ind-val" else short_ood_names(data.ood, data).get(title)
    if name is None or own_anomalies(name, data):
        return data.sequence_of
    base = drawn_on(name) or name
    rule: Callable[[str], str | None] | None = None
    if base in DATAMODULES or is_code(base):
        rule = module_of(base).sequence_of
    return rule
