from .schema import (
    Block,
    Cost,
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    OodCell,
    Result,
    Stratum,
    ThresholdInfo,
)
from .store import box_picture_path, load_result, load_results, load_scores, save_result
from .tables.aggregate import rows
from .tables.markdown import markdown
from .tables.terminal import terminal_tables

__all__ = [
    "Block",
    "Cost",
    "Environment",
    "IndInfo",
    "MetricValue",
    "NetworkInfo",
    "OodCell",
    "Result",
    "Stratum",
    "ThresholdInfo",
    "box_picture_path",
    "load_result",
    "load_results",
    "load_scores",
    "markdown",
    "rows",
    "save_result",
    "terminal_tables",
]
