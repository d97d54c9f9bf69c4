"""Intervals in closed form hold the value of both distributions as often as the documentation says."""

import numpy as np
import pytest
from scipy.stats import norm

from lsood import evaluate
from lsood.metrics.closed_forms import aupr_interval, fpr_interval
from lsood.metrics.curve import Curve
from lsood.metrics.table import ROWS

THRESHOLD = float(norm.ppf(0.95))
# lowest coverage in docs/methods.md, rounded down
LOWEST = {
    "accuracy": 0.92, "f1": 0.92, "mcc": 0.92, "fpr95": 0.93, "fpr95_in": 0.93, "fpr80_in": 0.90,
    "aupr_in": 0.86, "aupr_out": 0.93, "detection_error": 0.90,
}  # fmt: skip


def truth(shift, spread, n_in, n_out):
    """Every metric of N(0, 1) against N(shift, spread^2) in the proportion n_in : n_out."""
    at = np.linspace(-12 * spread, shift + 12 * spread, 400_001)
    alarms, hits = norm.sf(at), norm.sf((at - shift) / spread)
    tp, fp = n_out * norm.sf((THRESHOLD - shift) / spread), 0.05 * n_in
    fn, tn = n_out - tp, n_in - fp

    def area(true, false):  # falling from 1 to 0 and in numbers of images
        precision = np.where(true > 0, true / np.maximum(true + false, 1e-300), 1.0)
        return -((precision[1:] + precision[:-1]) / 2 * np.diff(true)).sum() / true.max()

    return {
        "fpr95": norm.sf(shift + spread * norm.ppf(0.05)),
        "fpr95_in": norm.cdf((norm.ppf(0.95) - shift) / spread),
        "fpr80_in": norm.cdf((norm.ppf(0.80) - shift) / spread),
        "detection_error": ((1 - hits + alarms) / 2).min(),
        "accuracy": (tp + tn) / (n_in + n_out),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        "aupr_out": area(n_out * hits, n_in * alarms),
        "aupr_in": area(n_in * (1 - alarms[::-1]), n_out * (1 - hits[::-1])),
    }


def coverage(auroc, spread, n_in, n_out, draws):
    random = np.random.default_rng(0)
    shift = norm.ppf(auroc) * np.hypot(1, spread)
    true = truth(shift, spread, n_in, n_out)
    held = dict.fromkeys(true, 0)
    for _ in range(draws):
        found = evaluate(random.normal(size=n_in), random.normal(shift, spread, n_out), THRESHOLD)
        for name, value in true.items():
            held[name] += found[name].low <= value <= found[name].high
    return {name: count / draws for name, count in held.items()}


@pytest.mark.parametrize(
    ("auroc", "spread", "n_in", "n_out"), [(0.9, 1, 50, 50), (0.97, 2, 233, 20), (0.99, 1, 50, 50)]
)
def test_cover(auroc, spread, n_in, n_out):
    for name, share in coverage(auroc, spread, n_in, n_out, 400).items():
        assert share >= LOWEST[name] - 0.02, name


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1, 2])
@pytest.mark.parametrize(("n_in", "n_out"), [(50, 50), (233, 20)])
@pytest.mark.parametrize("auroc", [0.7, 0.9, 0.97, 0.99])
def test_cover_everywhere(auroc, spread, n_in, n_out):
    for name, share in coverage(auroc, spread, n_in, n_out, 1000).items():
        assert share >= LOWEST[name] - 0.01, name


@pytest.mark.parametrize("ties", [False, True])
def test_hold_their_value_and_have_a_width(ties):
    random = np.random.default_rng(1)
    for n_in, n_out in ((1, 30), (30, 1), (5, 7), (40, 30), (2, 2)):
        for shift in (-20.0, 0.0, 1.0, 20.0):
            x, y = random.normal(0, 2, n_in), random.normal(shift, 2, n_out)
            x, y = (np.round(x), np.round(y)) if ties else (x, y)
            if np.ptp(np.r_[x, y]) == 0:
                continue
            found = evaluate(x, y, 0.5)
            assert list(found) == sorted(ROWS, key=lambda name: ROWS[name].order)
            for name, e in found.items():
                assert e.low <= e.value <= e.high and e.low < e.high, name
                assert (-1 if name == "mcc" else 0) <= e.low and e.high <= 1, name


def test_swapping_the_sides_swaps_the_intervals():
    random = np.random.default_rng(2)
    x, y = random.integers(0, 9, 60).astype(float), random.integers(3, 12, 40).astype(float)
    curve, swapped = Curve.of(x, y), Curve.of(-y, -x)
    np.testing.assert_array_equal(curve.mirrored().hits, swapped.hits)
    np.testing.assert_array_equal(curve.mirrored().alarms, swapped.alarms)
    np.testing.assert_array_equal(curve.mirrored().scores, swapped.scores)
    assert aupr_interval(curve.mirrored()) == aupr_interval(swapped)
    assert curve.mirrored().aupr("out") == pytest.approx(curve.aupr("in"))
    assert curve.mirrored().fpr_at_tpr(0.95, "out") == curve.fpr_at_tpr(0.95, "in")


def test_few_positives_leave_fpr95_open_above():
    """.95^71 = .026, .95^72 = .0249: the lowest of 71 scores lies above the true threshold too often, of 72 not."""
    x = np.linspace(0, 1, 1000)
    for n_out, open_above in ((71, True), (72, False)):
        _, high = fpr_interval(Curve.of(x, np.linspace(2, 3, n_out)), 0.95)
        assert (high == 1) == open_above


def test_aupr_width_is_that_of_many_draws():
    random = np.random.default_rng(3)
    scores = [(random.normal(size=600), random.normal(1, 1, 400)) for _ in range(400)]
    areas = np.array([Curve.of(*s).aupr("out")[0] for s in scores])
    widths = [np.subtract(*aupr_interval(Curve.of(*s))[::-1]) for s in scores[:50]]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * areas.std(), rel=0.1)
