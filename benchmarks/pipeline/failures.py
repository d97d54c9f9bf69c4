"""A step that fails costs its method's row, not the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from lsood.io import log
from lsood.text import reason

Case = tuple[str, str]
"""Method as typed, protocol."""
T = TypeVar("T")


@dataclass
class Failures:
    """Runs steps of methods and keeps why some failed.

    Attributes:
        reasons: {case: reason} of methods that could not be attached, fitted, tuned, calibrated or scored.
        seconds: {case: what its steps took}.
    """

    reasons: dict[Case, str] = field(default_factory=dict)
    seconds: dict[Case, float] = field(default_factory=dict)

    def run(self, case: Case, step: Callable[[], T]) -> T | None:
        """What the step returns; None where it or an earlier one of the case failed, whatever it raised."""
        if case in self.reasons:
            return None
        start = time.perf_counter()
        try:
            return step()
        except Exception as error:
            self.reasons[case] = reason(error)
            log.warning("%s failed: %s", case[0], self.reasons[case])
            log.debug("%s", case[0], exc_info=True)
            return None
        finally:
            self.seconds[case] = self.seconds.get(case, 0.0) + time.perf_counter() - start

    def alive(self, cases: Iterable[Case]) -> list[Case]:
        """Those that have not failed."""
        return [case for case in cases if case not in self.reasons]
