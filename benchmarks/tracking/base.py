"""What a tracker is told, and by whom: the one of the run that goes on."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from lsood.io import log
from lsood.registry import load
from lsood.text import reason

TRACKERS = {
    "mlflow": ("mlflow", "benchmarks.tracking.mlflow_store", "MlflowTracker"),
    "tensorboard": ("tensorboard", "benchmarks.tracking.event_files", "EventFiles"),
}
"""{name, which is that of the extra: (library, module and class of the tracker)}."""


def check_trackers(names: Sequence[str]) -> None:
    """Raise ValueError for the first tracker that is not known or whose library is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise ValueError(f"--track: unknown {name!r}; known: {', '.join(TRACKERS)}")
        library = TRACKERS[name][0]
        if importlib.util.find_spec(library) is None:
            raise ValueError(f"--track {name} needs {library}: pip install 'lsood-bench[{name}]'")


class Tracker:
    """Takes what a run tells. This one keeps nothing."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Settings and provenance, once."""

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Numbers by name; "/" groups them."""

    def close(self, failed: bool) -> None:
        """The end of the run."""

    def epoch(self, title: str, row: Mapping[str, float]) -> None:
        """A row of the training curve of a network, see `networks.training.curve`."""
        values = {f"{title}/{name}": value for name, value in row.items() if name != "epoch"}
        self.metrics(values, int(row["epoch"]))


class _Several(Tracker):
    """Trackers that cost a warning and no more when they fail; one that has failed is told nothing further."""

    def __init__(self) -> None:
        self.trackers: dict[str, Tracker] = {}

    def parameters(self, values: Mapping[str, Any]) -> None:
        self._tell(lambda tracker: tracker.parameters(values))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        found = {named(name): float(value) for name, value in values.items() if math.isfinite(value)}
        if found:
            self._tell(lambda tracker: tracker.metrics(found, step))

    def close(self, failed: bool) -> None:
        self._tell(lambda tracker: tracker.close(failed))

    def open(self, name: str, out: Path, title: str) -> None:
        """Add a tracker that writes below a folder."""
        _, module, kind = TRACKERS[name]
        with self._surviving(name):
            self.trackers[name] = getattr(load(module), kind)(out, title)

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            with self._surviving(name):
                what(tracker)

    @contextmanager
    def _surviving(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.trackers.pop(name, None)
            log.warning("--track %s failed and gets nothing more of this run (%s)", name, reason(error))


def named(name: str) -> str:
    """A name that all trackers take: letters, digits and ``_-. /``, everything else ``_``."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)


_current: ContextVar[Tracker] = ContextVar("tracker", default=Tracker())  # noqa: B039 - it keeps nothing


def current_tracker() -> Tracker:
    """The tracker of the run that goes on."""
    return _current.get()


@contextmanager
def tracking(names: Sequence[str], out: Path, title: str) -> Iterator[Tracker]:
    """Inside the block a run is tracked.

    Args:
        names: of `TRACKERS`. out: folder of the run. title: of the run, among others of the folder.
    """
    tracker = _Several()
    for name in names:
        tracker.open(name, out, title)
    token = _current.set(tracker)
    failed = True
    try:
        yield tracker
        failed = False
    finally:
        _current.reset(token)
        tracker.close(failed)
