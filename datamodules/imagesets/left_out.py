"""Images that cannot be read are left out of their sets, as if they were not there, up to a share of each set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lsood.io import log

MAX_BAD = 0.01
T = TypeVar("T")


@dataclass(frozen=True)
class Faults:
    """Images of a set of files that cannot be read.

    Attributes:
        name: of the set. images: it has now. left_out: were left out of it before.
        reasons: {file: why it cannot be read}, at least one.
    """

    name: str
    images: int
    left_out: int
    reasons: Mapping[Path, str]


@dataclass
class LeftOut:
    """Files that are left out.

    Args:
        max_bad: largest share of a set, 0 to below 1.

    Attributes:
        reasons: {file: why it cannot be read}.
    """

    max_bad: float = MAX_BAD
    reasons: dict[Path, str] = field(default_factory=dict)

    def add(self, found: Sequence[Faults]) -> None:
        """Take further files, with a log line for each.

        Raises:
            ValueError: those of a set, with those that were left out before, are more than ``max_bad`` of it.
        """
        new = {path: reason for one in found for path, reason in one.reasons.items()}
        for reason in dict.fromkeys(new.values()):
            log.warning("cannot be read: %s", reason)
        self.reasons.update(new)
        for one in found:
            bad, size = one.left_out + len(one.reasons), one.left_out + one.images
            if bad > self.max_bad * size:
                raise ValueError(
                    f"{bad} of {size} images of {one.name} cannot be read, --max-bad {self.max_bad:g} allows "
                    f"{int(self.max_bad * size)}; first: {next(iter(one.reasons.values()))}; all are listed above"
                )
            log.warning("%s: %d of %d images are left out", one.name, bad, size)


_current: ContextVar[LeftOut | None] = ContextVar("left_out", default=None)


@contextmanager
def leaving_out(max_bad: float) -> Iterator[LeftOut]:
    """Inside the block, sets of files are made without the files that are found unreadable."""
    own = LeftOut(max_bad)
    token = _current.set(own)
    try:
        yield own
    finally:
        _current.reset(token)


def current() -> LeftOut | None:
    """What the block of :func:`leaving_out` around leaves out; None outside of such a block."""
    return _current.get()


def split_usable(paths: Sequence[Path]) -> tuple[list[int], list[int]]:
    """Positions of the files that are used, and of those that are left out."""
    own = _current.get()
    known = {} if own is None else own.reasons
    used = [i for i, path in enumerate(paths) if path not in known]
    return used, [i for i, path in enumerate(paths) if path in known] if len(used) < len(paths) else []


class Unreadable(ValueError):
    """Images of a set cannot be read although their headers were right; the message is why the first one cannot.

    Attributes:
        found: all of its set; empty outside of `leaving_out`.
    """

    def __init__(self, reason: str, found: Sequence[Faults] = ()) -> None:
        super().__init__(reason)
        self.found = found


def without_unreadable(job: Callable[[], T], max_bad: float = MAX_BAD) -> T:
    """What a job returns; it starts again whenever images turn out to be unreadable, without these.

    Raises:
        ValueError: see `LeftOut.add`.
    """
    with leaving_out(max_bad) as own:
        while True:
            try:
                return job()
            except Unreadable as error:
                own.add(error.found)
                log.warning("starting again without them; what does not depend on them is in the cache")
