"""What a broken or badly read-out sensor does to an image."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
