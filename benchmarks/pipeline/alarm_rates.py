"""Whether thresholds raise the false alarms that they were set for, on in-distribution test rows."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest

from benchmarks.pipeline.scored import Scored
from lsood.io import log
from lsood.metrics.points import smallest_rate

LEVEL = 0.001


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


def realised(one: Scored) -> tuple[int, int] | None:
    """False alarms of a method on the in-distribution test rows, and how many rows these are; None where it failed."""
    if one.scores is None or one.threshold is None:
        return None
    test = one.scores.loc[one.scores["set"] == "ind-test", "score"]
    return int((test > one.threshold).sum()), len(test)


def check_realised(scored: Sequence[Scored], rate: float) -> list[str]:
    """Warn about methods whose realised rate differs from the one their threshold was set for (two-sided binomial test
    at 0.1 %): validation and test images do not come from one distribution, or the network was trained on the
    validation images. Returns one line per level.
    """
    lines = []
    for level in dict.fromkeys(one.level for one in scored):
        off = []
        for one in scored:
            counts = realised(one) if one.level == level and one.detector.fixed_threshold is None else None
            if counts is not None and counts[1] and binomtest(counts[0], counts[1], rate).pvalue < LEVEL:
                off.append(f"{one.method} {100 * counts[0] / counts[1]:.1f} %")
        if off:
            lines.append(
                f"{level} thresholds set for {100 * rate:g} % false alarms raise others on the in-distribution test "
                f"set: {', '.join(off)}. Validation and test images differ, or the network was trained on the "
                "validation images; --calibrate-share .5 takes thresholds from one half of the test set."
            )
    for line in lines:
        log.warning(line)
    return lines
