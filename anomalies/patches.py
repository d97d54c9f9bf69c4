"""Local texture anomalies without a class: patches, cuts, smears."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
