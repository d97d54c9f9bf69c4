"""The camera looks elsewhere: labels are warped with the image."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
