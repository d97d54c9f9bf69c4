"""Kinds of anomalies by name: the files of ``kinds/<family>/``, each imported when it is first asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from anomalies.base import Anomaly
from anomalies.kinds import ORDER
from lsood.registry import Entry, Registry


def _order(entry: Entry) -> tuple[int, str, str]:
    """Families in `ORDER`, then others by name; kinds of a family by name."""
    family = entry.module.rpartition(".")[0].rpartition(".")[2]
    return ORDER.index(family) if family in ORDER else len(ORDER), family, entry.name


ANOMALIES = Registry("kind", ("anomalies.kinds",), group="lsood.anomalies", key="kind", order=_order)


def create(kind: str, severity: int = 3, **parameters: Any) -> Anomaly:
    """An anomaly by its kind.

    Args:
        kind: a key of `ANOMALIES`, ``package.module:Class`` or ``file.py:Class``.
        severity: 1 to 5.
        parameters: further parameters of the kind.

    Raises:
        ValueError: unknown kind or parameter (the nearest or all names are given), or an invalid value.
    """
    anomaly = ANOMALIES.find(kind)
    known = [field.name for field in fields(anomaly) if field.name != "severity"]
    for name in parameters:
        if name not in known:
            raise ValueError(f"{kind} has no parameter {name!r}; parameters: {', '.join(known) or 'none'}")
    return anomaly(severity=severity, **parameters)
