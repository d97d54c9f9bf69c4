"""What a person types and sees: options of several values, log lines on the terminal and in a file, a progress
bar per pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lsood.io import log
from lsood.terminal import Terminal, printable

console = Terminal(stderr=True)
SEVERAL = tuple(
    f"--{name}"
    for name in "ood features network-arg checkpoint mean std feature-layers seed seeds methods protocols track".split()
)


def spread(arguments: list[str]) -> list[str]:
    """``--ood a b`` to ``--ood a --ood b``: options that take several values."""
    spelled: list[str] = []
    current: str | None = None
    for word in arguments:
        if word.startswith("--"):
            current = word if word in SEVERAL else None
            if current is None:
                spelled.append(word)
        else:
            spelled += [current, word] if current else [word]
    return spelled


def to_terminal() -> None:
    """Show the project's log lines on the terminal."""
    log.setLevel(logging.INFO)
    log.handlers[:] = [RichHandler(console=console, show_path=False, show_level=False, markup=False)]
    log.propagate = False


@contextmanager
def told(shown: bool) -> Iterator[None]:
    """Inside the block, the project's log lines go to the terminal or, unless the program has handlers of its own, to
    nobody.
    """
    before = log.handlers[:], log.propagate, log.level
    if shown:
        to_terminal()
    else:
        log.addHandler(logging.NullHandler())
    try:
        yield
    finally:
        log.handlers[:], log.propagate = before[:2]
        log.setLevel(before[2])


@contextmanager
def to_file(path: Path | None) -> Iterator[None]:
    """Inside the block, append the same lines to a file, if there is one."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()


class _Lines(logging.Formatter):
    """Lines that can be shown on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def watch(title: str, batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, under a progress bar (a log line where there is no terminal)."""
    total = len(batches) if isinstance(batches, Sized) else None
    name = TextColumn("{task.description:>24}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    log.info("one pass over %s (%s batches)", title, "?" if total is None else total)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(batches, total=total, description=title)


def unwatched(title: str, batches: Iterable[Any]) -> Iterable[Any]:
    """The batches, with a log line."""
    log.info("one pass over %s", title)
    return batches
