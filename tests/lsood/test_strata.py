"""Metrics of parts of an OoD set, and intervals that draw source images."""

import numpy as np
import pytest

from lsood import auroc, evaluate, fpr_at_tpr
from lsood.metrics.intervals import delong_interval
from lsood.metrics.resampling import Blocks
from lsood.metrics.strata import evaluate_strata


def names(n, prefix="s"):
    return [f"{prefix}{i}" for i in range(n)]


def test_strata_equal_the_metrics_of_their_images():
    random = np.random.default_rng(0)
    scores_in = random.integers(0, 12, 80).astype(float)
    scores_out = random.integers(3, 15, 60).astype(float)
    strata = {"all": range(60), "first": range(20), "odd": range(1, 60, 2), "few": [1, 2, 3, 4]}
    found = evaluate_strata(scores_in, scores_out, strata, Blocks.of((names(80), names(60, "o"))))
    assert set(found) == {"all", "first", "odd"}, "too few images: no number"
    for name, metrics in found.items():
        part = scores_out[list(strata[name])]
        assert metrics["auroc"].value == pytest.approx(auroc(scores_in, part))
        assert metrics["fpr95"].value == pytest.approx(fpr_at_tpr(scores_in, part))
        for estimate in metrics.values():
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_independent_sources_give_delongs_width():
    random = np.random.default_rng(1)
    scores_in, scores_out = random.normal(size=300), random.normal(1, 1, 200)
    found = evaluate_strata(
        scores_in, scores_out, {"all": range(200)}, Blocks.of((names(300), names(200, "o"))), 2
    )["all"]
    low, high = delong_interval(scores_in, scores_out)
    assert (found["auroc"].low, found["auroc"].high) == pytest.approx((low, high), abs=0.012)


def test_five_severities_of_one_frame_are_one_draw():
    """Copies of an image under its source's name leave the interval as wide as it was."""
    random = np.random.default_rng(2)
    scores_in, one = random.normal(size=40), random.normal(1, 1, 40)
    single = evaluate_strata(scores_in, one, {"all": range(40)}, Blocks.of((names(40), names(40))))["all"][
        "auroc"
    ]
    many = np.tile(one, 5)
    honest = evaluate_strata(scores_in, many, {"all": range(200)}, Blocks.of((names(40), names(40) * 5)))[
        "all"
    ]["auroc"]
    naive = evaluate_strata(scores_in, many, {"all": range(200)}, Blocks.of((names(40), names(200, "o"))))[
        "all"
    ]["auroc"]
    assert honest.value == pytest.approx(single.value)
    assert honest.high - honest.low == pytest.approx(single.high - single.low, rel=0.01)
    assert naive.high - naive.low < 0.9 * (honest.high - honest.low)
    whole = evaluate(scores_in, many, 0.0, blocks=Blocks.of((names(40), names(40) * 5)))["auroc"]
    assert whole.high - whole.low == pytest.approx(honest.high - honest.low, rel=0.25)


def test_distinct_sources_leave_the_intervals_as_they_were():
    random = np.random.default_rng(3)
    scores_in, scores_out = random.normal(size=50), random.normal(1, 1, 30)
    assert evaluate(scores_in, scores_out, 0.0) == evaluate(
        scores_in, scores_out, 0.0, blocks=Blocks.of((names(50), names(30, "o")))
    )


def test_pairs_are_drawn_together():
    """A shift of each image by a constant: the pair's interval is narrower than that of unpaired images."""
    random = np.random.default_rng(4)
    scores_in = random.normal(size=120)
    scores_out = scores_in + 0.8
    strata = {"all": range(120)}
    paired = evaluate_strata(scores_in, scores_out, strata, Blocks.of((names(120), names(120))))["all"][
        "auroc"
    ]
    apart = evaluate_strata(scores_in, scores_out, strata, Blocks.of((names(120), names(120, "o"))))["all"][
        "auroc"
    ]
    assert paired.high - paired.low < 0.6 * (apart.high - apart.low)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Sources with an effect of their own and four images each: 95 % intervals, not 70 %."""
    random = np.random.default_rng(5)
    truth, held = 0.7602, {"honest": 0, "naive": 0}  # P(N(1, 2) > N(0, 2))
    for _ in range(150):
        level_in, level_out = random.normal(size=30), random.normal(1, 1, 30)
        scores_in = np.repeat(level_in, 4) + random.normal(size=120) * 0.05
        scores_out = np.repeat(level_out, 4) + random.normal(size=120) * 0.05
        groups = (np.repeat(names(30), 4), np.repeat(names(30, "o"), 4))
        for kind, sources in (("honest", groups), ("naive", (names(120), names(120, "o")))):
            found = evaluate_strata(scores_in, scores_out, {0: range(120)}, Blocks.of(sources), 200)[0][
                "auroc"
            ]
            held[kind] += found.low <= truth <= found.high
    assert held["honest"] / 150 > 0.88 and held["naive"] / 150 < 0.8
