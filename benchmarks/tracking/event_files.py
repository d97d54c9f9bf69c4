"""TensorBoard: event files in ``tensorboard/<run>`` below the output folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tracking.base import Tracker
from lsood.text import markdown_cell, slug


class EventFiles(Tracker):
    """A run of ``tensorboard --logdir <out>/tensorboard``."""

    def __init__(self, out: Path, title: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(out / "tensorboard" / slug(title)))  # type: ignore[no-untyped-call]

    def parameters(self, values: Mapping[str, Any]) -> None:
        rows = [f"| {markdown_cell(name)} | {markdown_cell(str(value))} |" for name, value in values.items()]
        self._writer.add_text("run", "\n".join(["| setting | value |", "|---|---|", *rows]))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, failed: bool) -> None:
        self._writer.close()
