"""All kinds of anomalies by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from anomalies import (
    blur,
    compat,
    controls,
    geometric,
    imagenet_c,
    lighting,
    noise,
    objects,
    patches,
    sensor,
    soiling,
    weather,
)
from anomalies.base import Anomaly

FAMILIES = (
    objects,
    soiling,
    weather,
    lighting,
    sensor,
    blur,
    noise,
    geometric,
    patches,
    controls,
    imagenet_c,
    compat,
)
ANOMALIES: dict[str, type[Anomaly]] = {
    anomaly.kind: anomaly for family in FAMILIES for anomaly in family.KINDS
}


def create(kind: str, severity: int = 3, **parameters: Any) -> Anomaly:
    """An anomaly by its kind.

    Raises:
        ValueError: unknown kind or parameter (the right ones are listed), or a value it cannot have.
    """
    if kind not in ANOMALIES:
        raise ValueError(f"unknown kind {kind!r}; kinds: {', '.join(ANOMALIES)}")
    known = [field.name for field in fields(ANOMALIES[kind]) if field.name != "severity"]
    for name in parameters:
        if name not in known:
            raise ValueError(f"{kind} has no parameter {name!r}; parameters: {', '.join(known) or 'none'}")
    return ANOMALIES[kind](severity=severity, **parameters)
