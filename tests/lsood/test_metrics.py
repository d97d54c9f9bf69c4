"""Metrics against scikit-learn, scipy and by hand; DeLong against brute force; bootstrap coverage."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    matthews_corrcoef,
    roc_auc_score,
    roc_curve,
)

from lsood import aupr, auroc, detection_error, evaluate, fpr_at_tpr, threshold_at
from lsood.metrics.intervals import delong_interval, delong_variance
from lsood.metrics.table import ROWS as METRICS

CASES = [
    (np.random.default_rng(i).integers(0, 12, 5 + 3 * i).astype(float),
     np.random.default_rng(100 + i).integers(3, 16, 4 + 5 * i).astype(float))
    for i in range(12)
] + [(np.random.default_rng(7).normal(size=300), np.random.default_rng(8).normal(0.7, 2, 200))]  # fmt: skip


def labelled(scores_in, scores_out):
    return np.r_[np.zeros(len(scores_in)), np.ones(len(scores_out))], np.r_[scores_in, scores_out]


@pytest.mark.parametrize(("scores_in", "scores_out"), CASES)
def test_equal_scikit_learn(scores_in, scores_out):
    labels, scores = labelled(scores_in, scores_out)
    assert auroc(scores_in, scores_out) == pytest.approx(roc_auc_score(labels, scores))
    statistic = mannwhitneyu(scores_out, scores_in).statistic
    assert auroc(scores_in, scores_out) == pytest.approx(statistic / len(scores_in) / len(scores_out))
    assert aupr(scores_in, scores_out) == pytest.approx(average_precision_score(labels, scores))
    assert aupr(scores_in, scores_out, "in") == pytest.approx(average_precision_score(1 - labels, -scores))
    for tpr in (0.5, 0.8, 0.95, 1.0):
        fpr, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
        assert fpr_at_tpr(scores_in, scores_out, tpr) == pytest.approx(fpr[np.argmax(hits >= tpr - 1e-12)])
        fpr, hits, _ = roc_curve(1 - labels, -scores, drop_intermediate=False)
        assert fpr_at_tpr(scores_in, scores_out, tpr, "in") == pytest.approx(
            fpr[np.argmax(hits >= tpr - 1e-12)]
        )
    fpr, hits, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert detection_error(scores_in, scores_out) == pytest.approx(((1 - hits + fpr) / 2).min())


@pytest.mark.parametrize(("scores_in", "scores_out"), CASES)
@pytest.mark.parametrize("threshold", [-100.0, 5.0, 7.5, 100.0])
def test_decisions_equal_scikit_learn(scores_in, scores_out, threshold):
    labels, scores = labelled(scores_in, scores_out)
    found = evaluate(scores_in, scores_out, threshold, resamples=2)
    called = scores > threshold
    assert found["accuracy"].value == pytest.approx(accuracy_score(labels, called))
    assert found["mcc"].value == pytest.approx(matthews_corrcoef(labels, called))
    assert found["f1"].value == pytest.approx(f1_score(labels, called))


def test_by_hand_with_ties_and_both_sides():
    """In-distribution 0 1 2, OoD 1 2 3: the positive side of FPR changes the number, and its name says which."""
    scores_in, scores_out = [0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 3.0]
    assert auroc(scores_in, scores_out) == pytest.approx((2 + 3 + 2.5 + 1.5) / 12 + 1 / 12)
    assert fpr_at_tpr(scores_in, scores_out, 0.95, "out") == pytest.approx(2 / 3)
    assert fpr_at_tpr(scores_in, scores_out, 0.95, "in") == pytest.approx(2 / 4)
    assert fpr_at_tpr(scores_in, scores_out, 0.5, "out") == 0.0


def test_swapping_the_classes_swaps_the_sides():
    scores_in, scores_out = CASES[3]
    assert aupr(scores_in, scores_out, "out") == pytest.approx(aupr(-scores_out, -scores_in, "in"))
    assert auroc(scores_in, scores_out) == pytest.approx(1 - auroc(scores_out, scores_in))


def test_below_a_half_is_shown_as_it_is():
    assert auroc([2.0, 3.0], [0.0, 1.0]) == 0.0


@pytest.mark.parametrize(
    ("scores_in", "scores_out", "message"),
    [
        ([], [1.0], "no in-distribution scores"),
        ([1.0], [], "no OoD scores"),
        ([1.0, np.nan], [1.0], "1 of 2 in-distribution scores are NaN"),
        ([1.0], [np.inf], "1 of 1 OoD scores are NaN or infinite"),
        ([1.0, 1.0], [1.0], "every score is the same"),
    ],
)
def test_scores_without_a_ranking_are_no_number(scores_in, scores_out, message):
    with pytest.raises(ValueError, match=message):
        auroc(scores_in, scores_out)


def test_delong_equals_brute_force():
    random = np.random.default_rng(0)
    scores_in, scores_out = random.integers(0, 9, 40).astype(float), random.integers(2, 12, 30).astype(float)
    wins = (scores_out[:, None] > scores_in).astype(float) + 0.5 * (scores_out[:, None] == scores_in)
    expected = wins.mean(0).var(ddof=1) / 40 + wins.mean(1).var(ddof=1) / 30
    assert delong_variance(scores_in, scores_out) == pytest.approx(expected)


def test_delong_covers_the_true_area():
    """P(N(1,1) > N(0,1)) = Phi(1/sqrt 2) = .7602; 95 % intervals hold it in about 95 of 100 draws."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        low, high = delong_interval(random.normal(size=80), random.normal(1, 1, 60))
        held += low <= 0.76025 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_bootstrap_agrees_with_delong():
    random = np.random.default_rng(2)
    scores_in, scores_out = random.normal(size=400), random.normal(1, 1, 300)
    found = evaluate(scores_in, scores_out, 1.0)
    assert set(found) == set(METRICS)
    half = 1.96 * np.sqrt(delong_variance(scores_in, scores_out))
    assert (found["auroc"].low, found["auroc"].high) == delong_interval(scores_in, scores_out)
    assert found["auroc"].high - found["auroc"].low == pytest.approx(2 * half, rel=0.02)
    width = np.std([auroc(random.choice(scores_in, 400), random.choice(scores_out, 300)) for _ in range(300)])
    assert width == pytest.approx(half / 1.96, rel=0.15)
    for metric in METRICS:
        assert found[metric].low <= found[metric].value <= found[metric].high
        assert found[metric].low < found[metric].high


def test_threshold_keeps_the_false_alarm_rate():
    random = np.random.default_rng(3)
    rates = [
        (random.normal(size=2000) > threshold_at(random.normal(size=100), 0.05)).mean() for _ in range(300)
    ]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.006)
    assert threshold_at([3.0, 1.0, 2.0], 0.05) == 3.0
    with pytest.raises(ValueError, match="false_alarm_rate"):
        threshold_at([1.0], 1.5)
