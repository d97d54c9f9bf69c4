"""albumentations, both ways: its transforms in recipes, anomalies as transforms."""

from __future__ import annotations

from anomalies.base import Anomaly

KINDS: tuple[type[Anomaly], ...] = ()
