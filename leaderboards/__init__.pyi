from .run_identity import identity, run_id
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
    "identity",
    "load_result",
    "load_results",
    "load_scores",
    "markdown",
    "rows",
    "run_id",
    "save_result",
    "terminal_tables",
]
