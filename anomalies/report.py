"""What stands beside a finished set: its README with statistics, and a preview."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anomalies.source import SourceSpec


def finish(out: Path, source: SourceSpec, watch: Callable[[int, int], None] | None = None) -> None:
    """Write the set's README.md."""
