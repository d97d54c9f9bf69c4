"""Results on disk, and the tables, pages and pictures made of them."""

from leaderboards.schema import (
    Cost,
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    OodCell,
    Result,
    Stratum,
    ThresholdInfo,
    load_results,
)
from leaderboards.tables.images import markdown, rich_tables, rows

__all__ = [
    "Cost",
    "Environment",
    "IndInfo",
    "MetricValue",
    "NetworkInfo",
    "OodCell",
    "Result",
    "Stratum",
    "ThresholdInfo",
    "load_results",
    "markdown",
    "rich_tables",
    "rows",
]
