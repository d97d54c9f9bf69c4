"""The false-alarm rate that the thresholds of a run are set for."""

from __future__ import annotations

from lsood.io import log
from lsood.metrics.points import smallest_rate


def check_rate(rate: float | None, default: float, n_validation: int) -> float:
    """The false-alarm rate of a run.

    Args:
        rate: asked for; None: the default, or the smallest that can be given where that is higher (with a warning).
        n_validation: images that thresholds come from.

    Raises:
        ValueError: a rate that so few images cannot give; says the smallest that can be given, and how many it takes.
    """
    least = smallest_rate(n_validation)
    wanted = default if rate is None else rate
    if wanted >= least:
        return wanted
    needed = round(1 / wanted) - 1
    if rate is not None:
        raise ValueError(
            f"--false-alarm-rate {rate:g} needs {needed} validation images, there are {n_validation}; "
            f"the smallest rate they can give is {least:.2g}"
        )
    log.warning(
        "thresholds are set for a false-alarm rate of %.2g, the smallest that %d validation images can give",
        least,
        n_validation,
    )
    return least
