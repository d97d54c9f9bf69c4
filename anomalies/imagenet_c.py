"""The corruptions of ImageNet-C with their published constants."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
