"""A board says where thresholds do not keep their rate, and where the network knew the validation images."""

import dataclasses
import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from test_boards import plain

from leaderboards.analysis.alarm_rates import LEVEL, RATE, alarm_warnings, p_value
from leaderboards.schema import MetricValue, ThresholdInfo
from lsood import threshold_at

N, STATED = 1000, 0.05


def run_with(method, alarms, n_calibration=500, ind=None, **fields):
    run = plain(method=method, ind=ind, threshold=ThresholdInfo(0.5, STATED, n_calibration), **fields)
    value = alarms / N
    cell = dataclasses.replace(
        run.ood[0], n_in=N, metrics={**run.ood[0].metrics, RATE: MetricValue(value, 0.0, 1.0)}
    )
    return dataclasses.replace(run, ood=[cell])


def exact(alarms, n_calibration):
    """By counting orders of calibration and test scores: twice the smaller tail of the negative hypergeometric."""
    above = math.floor((n_calibration + 1) * STATED + 1e-9)
    rank = n_calibration + 1 - above
    orders = [comb(a + above - 1, a) * comb(N - a + rank - 1, N - a) for a in range(N + 1)]
    tails = sum(orders[: alarms + 1]), sum(orders[alarms:])
    return min(1.0, 2 * float(Fraction(min(tails), comb(N + n_calibration, N))))


@pytest.mark.parametrize("n_calibration", [19, 20, 101, 500, 5000])
@pytest.mark.parametrize("alarms", [0, 12, 24, 50, 76, 90, 131, 300])
def test_the_rate_is_tested_as_two_samples_of_one_distribution(alarms, n_calibration):
    value = exact(alarms, n_calibration)
    assert p_value(alarms, N, n_calibration, STATED) == pytest.approx(value, rel=1e-6, abs=1e-12)
    assert bool(alarm_warnings([run_with("msp", alarms, n_calibration)])) == (value < LEVEL)


def test_thresholds_of_one_distribution_are_seldom_named():
    random, told = np.random.default_rng(0), 0
    for _ in range(2000):
        threshold = threshold_at(random.normal(size=60), STATED)
        told += p_value(int((random.normal(size=400) > threshold).sum()), 400, 60, STATED) < 0.05
    assert 0.02 < told / 2000 <= 0.06, "a binomial test that takes the threshold as exact says 50 %"


def test_methods_and_rates_are_named():
    runs = [run_with("good", 52), run_with("bad", 131), run_with("low", 12), run_with("bad", 140, seed=1)]
    (line,) = alarm_warnings(runs)
    assert line.startswith("Warning: image thresholds set for 5 % false alarms raise others")
    assert "bad 13.1 / 14.0 %, low 1.2 %" in line and "good" not in line and "--calibrate-share" in line


def test_a_threshold_that_the_method_fixes_promises_nothing():
    assert alarm_warnings([run_with("kde-classifier", 400, n_calibration=0)]) == []


@pytest.mark.parametrize(
    ("validation", "test", "told"),
    [(0.998, 0.92, True), (0.93, 0.92, False), (0.90, 0.95, False), (None, 0.92, False)],
)
def test_a_network_that_knew_the_validation_images(validation, test, told):
    ind = {"n_val": 500, "n_test": 1000, "network_metrics": {"accuracy": test}}
    ind["validation_metrics"] = {} if validation is None else {"accuracy": validation}
    found = alarm_warnings([run_with(method, 50, ind=ind) for method in ("msp", "knn")])
    assert len(found) == told
    if told:
        assert "accuracy is 99.8 % on the validation images and 92.0 % on the test images" in found[0]
