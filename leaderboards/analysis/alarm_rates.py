"""Whether results keep what their thresholds promise on in-distribution test rows, as warnings of a board."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from scipy.stats import betabinom, fisher_exact

from leaderboards.schema import Result

RATE = "false_alarm_rate"
LEVEL = 0.001
REMEDY = (
    "--calibrate-share .5 takes thresholds from one half of the test set, --calibrate-on from another set"
)


def alarm_warnings(results: Sequence[Result]) -> list[str]:
    """One line per level and stated rate for methods that raise other false alarms than two samples of one distribution
    would (:func:`p_value` below 0.1 %, each image or detection counted as independent), and one per network that is
    better on the validation images. Thresholds that a method fixes itself promise no rate.
    """
    return [*_rates(results), *_accuracies(results)]


def stated_rate(run: Result) -> float | None:
    """The false-alarm rate that the threshold of a result was set for; None: for none."""
    if run.threshold is None or run.threshold.n_calibration == 0:
        return None
    return run.threshold.false_alarm_rate


def p_value(alarms: int, n_test: int, n_calibration: int, stated: float) -> float:
    """Two-sided p-value, in (0, 1], of a number of alarms if calibration and test scores come from one distribution.

    The threshold is the r-th smallest calibration score, r = ceil((n + 1)(1 - stated)), see `lsood.threshold_at`: a
    score exceeds it with a probability that is Beta(n + 1 - r, r) over calibration sets, so that the alarms are
    beta-binomial (Wilks 1941). Twice the smaller tail.
    """
    rank = min(math.ceil((n_calibration + 1) * (1 - stated) - 1e-9), n_calibration)
    above = n_calibration + 1 - rank
    fewer = betabinom(n_test, above, rank).cdf(alarms)
    more = betabinom(n_test, rank, above).cdf(n_test - alarms)
    return float(min(1.0, 2 * min(fewer, more)))


def calibration_of(run: Result) -> str:
    """Which images gave the threshold of a result; "" without one."""
    if stated_rate(run) is None:
        return ""
    if (share := run.settings.get("calibrate_share")) is not None:
        return f"{100 * share:g} % of the test images, which are not scored"
    return run.settings.get("calibrate_on", "the validation images")


def _rates(results: Sequence[Result]) -> Iterator[str]:
    off: dict[tuple[str, float], dict[str, list[str]]] = {}
    for run in results:
        stated = stated_rate(run)
        cell = next((one for one in run.ood if RATE in one.metrics and one.n_in), None)
        if stated is None or cell is None:
            continue
        found = cell.metrics[RATE].value
        assert run.threshold is not None
        if p_value(round(found * cell.n_in), cell.n_in, run.threshold.n_calibration, stated) < LEVEL:
            name = run.method if run.protocol == "no-ood" else f"{run.method} ({run.protocol})"
            off.setdefault((run.level, stated), {}).setdefault(name, []).append(f"{100 * found:.1f}")
    for (level, stated), methods in off.items():
        names = ", ".join(f"{name} {' / '.join(rates)} %" for name, rates in methods.items())
        yield (
            f"Warning: {level} thresholds set for {100 * stated:.3g} % false alarms raise others on the "
            f"in-distribution test set: {names}. Validation and test images differ, or the network was trained on the "
            f"validation images; {REMEDY}."
        )


def _accuracies(results: Sequence[Result]) -> Iterator[str]:
    """Fisher's exact test of the network's accuracies, two-sided, at 0.1 %."""
    seen = dict.fromkeys(
        (
            run.ind.validation_metrics.get("accuracy"),
            run.ind.network_metrics.get("accuracy"),
            run.ind.n_val,
            run.ind.n_test,
        )
        for run in results
    )
    for validation, test, n_val, n_test in seen:
        if validation is None or test is None or validation <= test:
            continue
        right = round(validation * n_val), round(test * n_test)
        table = [[right[0], n_val - right[0]], [right[1], n_test - right[1]]]
        if fisher_exact(table).pvalue < LEVEL:
            yield (
                f"Warning: the network's accuracy is {100 * validation:.1f} % on the validation images and "
                f"{100 * test:.1f} % on the test images: it was probably trained on the validation images, and "
                f"thresholds from them are too low; {REMEDY}."
            )
