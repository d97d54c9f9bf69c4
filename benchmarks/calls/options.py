"""From options of a call to Settings: names of the command's options, values of their kind."""

from __future__ import annotations

import numbers
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from torch import nn

from benchmarks.pipeline.config import Settings
from lsood.text import unknown

OTHER_NAMES = {"checkpoint": "checkpoints", "network_arg": "network_args", "level": "levels"}
"""{option: its field of Settings} where the names differ."""
OWN = (
    *("ind", "ood", "network", "module", "methods", "describe_network", "dry_run", "progress", "command"),
    *("training", "trains_alone"),
)
"""Fields that no option of this name sets."""


def _hints() -> dict[str, Any]:
    return get_type_hints(Settings, localns={"nn": nn})


def option_names() -> list[str]:
    """Every option that :func:`settings_of` takes."""
    fields = {name: name for name in _hints()}
    return [option for option in {**fields, **OTHER_NAMES} if option not in OWN]


def check_options(options: Iterable[str]) -> None:
    """Raise ValueError for the first name that is no option; it says the nearest one and lists all."""
    known = option_names()
    for option in options:
        if option not in known:
            raise unknown("option", option, known)


def settings_of(options: Mapping[str, Any], **own: Any) -> Settings:
    """Settings from options; None stands for an option's default, one value for several.

    Args:
        options: by the names of the command's options, with "_" for "-".
        own: further fields, as they are.

    Raises:
        ValueError: an unknown option, a value of another kind, or one that cannot work. FileNotFoundError: a file or
            folder that is not there.
    """
    check_options(options)
    hints, given = _hints(), dict(own)
    for option, value in options.items():
        field = OTHER_NAMES.get(option, option)
        if value is not None:
            given[field] = _converted(option, hints[field], value)
    return Settings(**given)


def _converted(option: str, hint: Any, value: Any) -> Any:
    """A value as the hint of its field wants it."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        several = _several(value)
        if kinds[-1] is not Ellipsis and len(several) != len(kinds):
            raise ValueError(f"{option} must be {len(kinds)} numbers, got {value!r:.60}")
        return tuple(_converted(option, kinds[0], one) for one in several)
    kind: type = {float: numbers.Real, int: numbers.Integral, Path: str | Path}.get(hint, hint)
    if not isinstance(value, kind) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{option} must be {hint.__name__}, got {value!r:.60}")
    return hint(value)


def _several(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [f"{name}={one!r}" for name, one in value.items()]
    if isinstance(value, str | Path) or not isinstance(value, Iterable):
        return [value]
    found: list[Any] = value.tolist() if hasattr(value, "tolist") else list(value)
    return found
