"""Names of release 0.1 that still work, with a warning, until release 0.3."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

ATTRIBUTES = {
    "unsuited": "unsupported_tasks",
    "decision": "fixed_threshold",
    "companions": "auxiliary_networks",
}
METHODS = {
    "params": "get_params",
    "grid": "param_grid",
    "variant": "with_params",
    "learn": "fit_with_outliers",
    "_subject": "_model_info",
}


def warn(old: str, new: str, level: int = 3) -> None:
    """Say that a name is old."""
    warnings.warn(
        f"{old} is now {new}; the old name goes in release 0.3", DeprecationWarning, stacklevel=level
    )


def renamed(
    module: str, names: Mapping[str, str], others: Callable[[str], Any] | None = None
) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for {old name: new name}, both in this module; ``others``: the one for other names."""

    def get(name: str) -> Any:
        if name not in names:
            if others is not None:
                return others(name)
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(__import__(module, fromlist=[names[name]]), names[name])

    return get


def alias(old: str, new: str) -> property:
    """A property that reads another attribute."""

    def get(self: Any) -> Any:
        warn(f"{type(self).__name__}.{old}", new)
        return getattr(self, new)

    return property(get)


def accept_old_names(cls: type) -> None:
    """Let a detector class written for release 0.1 work: its old attributes and methods get their new names too."""
    for old, new in (ATTRIBUTES | METHODS).items():
        if old in vars(cls) and new not in vars(cls):
            warn(f"{cls.__name__}.{old}", new, level=4)
            setattr(cls, new, vars(cls)[old])


def old_methods(cls: type) -> type:
    """Class decorator: calls by an old method name reach the new one."""
    for old, new in METHODS.items():

        def call(self: Any, *args: Any, _old: str = old, _new: str = new, **kwargs: Any) -> Any:
            warn(f"{type(self).__name__}.{_old}", _new)
            return getattr(self, _new)(*args, **kwargs)

        setattr(cls, old, functools.wraps(getattr(cls, new))(call))
    return cls
