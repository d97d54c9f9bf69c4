"""The one table of metrics: those of rows (images or objects), of pixels, and of open-set detection.

Reading names, titles and directions imports neither numpy nor torch. A new metric of rows is one file in
``lsood/metrics/rows``: it is computed with an interval, stored in results and shown in tables.
"""

from __future__ import annotations

from lsood.registry import Registry

FIELDS = ("name", "title", "better", "order", "about")


def _metrics(package: str) -> Registry:
    return Registry("metric", (package,), maker="Metric", fields=FIELDS)


ROWS = _metrics("lsood.metrics.rows")
PIXELS = _metrics("lsood.metrics.pixel")
OPEN_SET = _metrics("lsood.metrics.open_set")


def names(metrics: Registry) -> tuple[str, ...]:
    """Names of metrics in the order of their columns."""
    return tuple(sorted(metrics, key=lambda name: int(metrics.about(name, "order"))))
