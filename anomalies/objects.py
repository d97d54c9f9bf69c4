"""Objects that do not belong there, pasted where they would stand."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
