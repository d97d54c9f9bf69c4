"""Records, dataclasses of plain values, from and to JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

LARGEST = 1e300
"""What numbers stay below, so that a hundred times as much is one too."""


def record_text(record: Any) -> str:
    """A dataclass as JSON, its keys sorted."""
    return json.dumps(dataclasses.asdict(record), indent=1, sort_keys=True) + "\n"


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: naming the file, if it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def build_record(kind: Any, value: Any, where: str) -> Any:
    """A value of the annotated kind from what JSON or YAML held.

    Raises:
        ValueError: beginning with ``where`` and the first field that is missing, unknown or of another type.
    """
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be an object, got {type(value).__name__}")
        hints = typing.get_type_hints(kind)
        needed = {f.name for f in dataclasses.fields(kind) if f.default is f.default_factory}  # both MISSING
        if missing := sorted(needed - set(value)):
            raise ValueError(f"{where}: {missing[0]} is missing")
        if extra := sorted(set(value) - set(hints)):
            raise ValueError(f"{where}: unknown field {extra[0]}")
        return kind(**{name: build_record(hints[name], v, f"{where}: {name}") for name, v in value.items()})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return build_record(next(a for a in arguments if a is not type(None)), value, where)
    if origin is list and isinstance(value, list):
        return [build_record(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {k: build_record(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < LARGEST:
            raise ValueError(f"{where} must be finite, got {value!r:.60}")
        return float(value)
    if kind is str and isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # parts of names in other encodings
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        raise ValueError(f"{where} must be of 64 bits, got {value!r:.60}")
    if origin is None and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{where} must be {getattr(kind, '__name__', kind)}, got {value!r:.60}")
