"""Records, dataclasses of plain values, in JSON files; tables in parquet files. Written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

Record = TypeVar("Record")


def stem(method: str, protocol: str, seed: int) -> str:
    """Of the files of a result: "<method>-seed<seed>", with the protocol behind the method where it is not
    "no-ood".
    """
    return f"{slug(method if protocol == 'no-ood' else f'{method}-{protocol}')}-seed{seed}"


def slug(text: str) -> str:
    """A name as it stands in file names: letters, digits, "-" and "_", with "_" for everything else."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)


def save_record(record: Any, path: Path) -> None:
    """A dataclass as JSON, its keys sorted; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(dataclasses.asdict(record), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def save_table(table: pd.DataFrame, path: Path) -> None:
    """A parquet file without the index; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    table.to_parquet(part, index=False)
    part.replace(path)


def read_checked(kind: type[Record], path: Path, version: int) -> Record:
    """A result of a dataclass from its JSON file.

    Raises:
        ValueError: naming the file and the first field that is missing, unknown or of another type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if isinstance(content, dict) and content.get("schema") != version:
        raise ValueError(f"{path}: schema {content.get('schema')!r}, this version reads {version}")
    result = build_record(kind, content, str(path))
    assert isinstance(result, kind)
    return result


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
        if not math.isfinite(value):
            raise ValueError(f"{where} must be finite, got {value}")
        return float(value)
    if origin is None and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{where} must be {getattr(kind, '__name__', kind)}, got {value!r:.60}")
