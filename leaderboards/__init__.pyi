from .schema import (
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
from .tables.images import markdown, rich_tables, rows

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
