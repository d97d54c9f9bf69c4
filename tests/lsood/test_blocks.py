"""Frames of a sequence are drawn in circular blocks, as long as their scores are alike."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import beta, norm

from lsood import evaluate
from lsood.metrics.autocorrelation import block_length
from lsood.metrics.comparison import delong_covariance, delong_test, placements
from lsood.metrics.intervals import Estimate, delong_interval
from lsood.metrics.proportions import score_effective
from lsood.metrics.resampling import RESAMPLES, Blocks, alone
from lsood.metrics.strata import evaluate_strata
from lsood.metrics.table import OPEN_SET, ROWS

DRIVES = {"a": 62, "b": 171}  # the test frames of CamVid
NAMES = [f"{drive}_{i:04d}" for drive, n in DRIVES.items() for i in range(n)]
SEQUENCES = {name: name[0] for name in NAMES}


def drives(random, rho):
    """Standard normal scores of the drives' frames whose autocorrelation at lag k is rho^k."""
    parts = []
    for n in DRIVES.values():
        noise = random.normal(size=n) * np.sqrt(1 - rho**2)
        noise[0] /= np.sqrt(1 - rho**2)
        parts.append(lfilter([1], [1, -rho], noise))
    return np.concatenate(parts)


def test_a_resample_is_whole_blocks_within_sequences():
    names = [f"a{i}" for i in range(7)] + [f"b{i}" for i in range(2)] + ["alone"]
    blocks = Blocks.of([names], {name: name[0] for name in names if name != "alone"}, 3)
    assert blocks.draws.sum() == pytest.approx(7 / 3 + 2) and blocks.sequences == (2,)
    held = {tuple(names[i] for i in row.nonzero()[0]) for row in blocks.runs.toarray()[:, blocks.sides[0]]}
    circular = {tuple(sorted(f"a{(start + k) % 7}" for k in range(3))) for start in range(7)}
    assert held == circular | {("b0", "b1"), ("alone",)}
    (weights,) = blocks.weights(np.random.default_rng(0), 40_000)
    means = weights.mean(0)
    assert means / means.mean() == pytest.approx(1, abs=0.03), "every image is drawn equally often"


def test_length_one_is_the_bootstrap_over_sources():
    blocks = Blocks.of((["a", "a", "b"], ["b", "c"]))
    assert not blocks.independent and blocks.units == (9 / 5, 2.0) and blocks.too_few is None
    for first, second in zip(*(w.T for w in blocks.weights(np.random.default_rng(1), 50)), strict=False):
        assert first.shape == second.shape
    w_in, w_out = blocks.weights(np.random.default_rng(1), 50)
    assert (w_in[:, 0] == w_in[:, 1]).all() and (w_in[:, 2] == w_out[:, 0]).all()
    free = alone(4, 6)
    assert free.independent and free.units == (4.0, 6.0)
    w_in, w_out = free.weights(np.random.default_rng(1), 50)
    assert (w_in.sum(1) == 4).all() and (w_out.sum(1) == 6).all(), "sides that share nothing are drawn apart"


def test_units_are_kishs_and_the_number_of_blocks():
    assert Blocks.of([["a", "a", "b", "b"]]).units == (2.0,)
    assert Blocks.of([["a"] * 9 + ["b"]]).units[0] == pytest.approx(100 / 82)
    assert Blocks.of([NAMES], SEQUENCES, 20).units[0] == pytest.approx(233 / 20)
    assert Blocks.of([NAMES], SEQUENCES, 500).units[0] == pytest.approx(233**2 / (62**2 + 171**2))


def test_the_covariance_is_that_of_many_resamples():
    random = np.random.default_rng(2)
    scores_in = np.stack([drives(random, 0.8), drives(random, 0.8)])
    scores_out = scores_in + 0.5 * random.normal(size=scores_in.shape) + 1
    blocks = Blocks.of((NAMES, NAMES), SEQUENCES, 15)
    _, covariance = delong_covariance(scores_in, scores_out, blocks)
    _, in_adds, out_adds = placements(scores_in, scores_out)
    w_in, w_out = blocks.weights(np.random.default_rng(0), 20_000)
    sums = w_in @ in_adds.T + w_out @ out_adds.T
    few = blocks.total
    np.testing.assert_allclose(covariance, np.cov(sums.T) * few / (few - 1), rtol=0.05)
    _, apart = delong_covariance(scores_in, scores_out, Blocks.of((NAMES, NAMES)))
    assert covariance[0, 0] > 1.4 * apart[0, 0]


def test_block_length():
    random = np.random.default_rng(3)
    found = {
        rho: np.median([block_length(drives(random, rho), NAMES, SEQUENCES) for _ in range(60)])
        for rho in (0.0, 0.5, 0.81)
    }
    assert found[0.0] == 1 < found[0.5] < found[0.81]
    # of an infinite AR(1): (3/2 (2 rho / (1 - rho^2))^2 n)^(1/3)
    assert found[0.81] == pytest.approx((1.5 * (2 * 0.81 / (1 - 0.81**2)) ** 2 * 233) ** (1 / 3), rel=0.35)
    scores = drives(random, 0.9)
    length = block_length(scores, NAMES, SEQUENCES)
    assert length == block_length(np.exp(scores), NAMES, SEQUENCES)
    order = random.permutation(233)
    assert length == block_length(scores[order], [NAMES[i] for i in order], SEQUENCES), (
        "frames have an order of their own"
    )
    assert block_length(scores, NAMES, {}) == block_length(scores, NAMES, None) == 1
    assert block_length(np.ones(233), NAMES, SEQUENCES) == 1
    many = [f"{drive:02d}_{i}" for drive in range(40) for i in range(6)]
    level = np.repeat(random.normal(size=40), 6) + 0.1 * random.normal(size=240)
    assert block_length(level, many, {name: name[:2] for name in many}) >= 6, "whole sequences"


@pytest.mark.parametrize("paired", [False, True])
def test_intervals_of_frames_cover(paired):
    """Lag-1 autocorrelation .81, as on CamVid: intervals that take frames as independent hold the truth in less."""
    random, auroc = np.random.default_rng(4), 0.9
    shift, held, apart = norm.ppf(auroc) * 2**0.5, [], []
    others = NAMES if paired else [f"o{i}" for i in range(2000)]
    for _ in range(150):
        scores_in = drives(random, 0.81)
        scores_out = random.normal(size=len(others)) + shift
        if paired:
            scores_out = shift + (scores_in + random.normal(size=233)) * 0.5**0.5
        blocks = Blocks.fitting((scores_in, scores_out), (NAMES, others), SEQUENCES)
        if blocks.too_few is None:
            low, high = delong_interval(scores_in, scores_out, blocks=blocks)
            held.append(low <= auroc <= high)
        low, high = delong_interval(scores_in, scores_out)
        apart.append(low <= auroc <= high)
    assert len(held) > 100 and np.mean(held) >= 0.92
    assert paired or np.mean(apart) < 0.8


def test_the_bootstrap_of_frames_covers():
    random = np.random.default_rng(5)
    shift, held, others = norm.ppf(0.9) * 2**0.5, [], [f"o{i}" for i in range(300)]
    truth = {"fpr95": norm.cdf(norm.ppf(0.95) - shift), "false_alarm_rate": 0.05}
    for _ in range(60):
        scores_in, scores_out = drives(random, 0.81), random.normal(size=300) + shift
        blocks = Blocks.fitting((scores_in, scores_out), (NAMES, others), SEQUENCES)
        if blocks.too_few is None:
            found = evaluate(scores_in, scores_out, norm.ppf(0.95), blocks=blocks)
            held.append([found[name].low <= value <= found[name].high for name, value in truth.items()])
            assert all(e.low <= e.value <= e.high and e.low < e.high for e in found.values())
    assert (np.mean(held, axis=0) >= 0.88).all()


def test_two_methods_alike_differ_in_one_of_twenty_drives():
    random, p, apart = np.random.default_rng(6), [], []
    blocks = Blocks.of((NAMES, [f"o{i}" for i in range(400)]), SEQUENCES, 18)
    for _ in range(200):
        one, other = drives(random, 0.81), drives(random, 0.81)
        out = [random.normal(size=400) + 1 for _ in "ab"]
        p.append(delong_test(one, out[0], other, out[1], blocks).p)
        apart.append(delong_test(one, out[0], other, out[1]).p)
    assert np.mean(np.array(p) < 0.05) < 0.1 < 0.25 < np.mean(np.array(apart) < 0.05)


def test_fewer_than_ten_blocks_give_no_interval():
    random = np.random.default_rng(7)
    scores_in, scores_out = drives(random, 0.5), random.normal(1, 1, 40)
    sides = NAMES, [f"o{i}" for i in range(40)]
    few, enough = Blocks.of(sides, SEQUENCES, 24), Blocks.of(sides, SEQUENCES, 23)
    assert enough.too_few is None and "233 in sequences, dependent over 24, are 9.7 blocks" in few.too_few
    found = evaluate(scores_in, scores_out, 1.0, blocks=few)
    assert set(found) == set(ROWS) and all(e.low is None and e.high is None for e in found.values())
    assert {n: e.value for n, e in found.items()} == {
        n: e.value for n, e in evaluate(scores_in, scores_out, 1.0).items()
    }
    part = evaluate_strata(scores_in, scores_out, {"all": range(40)}, few)["all"]
    assert {e.low for e in part.values()} == {None}
    assert Blocks.of((NAMES[:5], NAMES[5:9])).too_few is None, "few images without a sequence: wide intervals"


def test_no_quantity_has_a_zero_width():
    """All resamples alike, at the ends of the range and inside."""
    blocks, draws = alone(12, 20), np.zeros(RESAMPLES)
    for metric in (*(ROWS[name] for name in ROWS), *(OPEN_SET[name] for name in OPEN_SET)):
        highest = 3.0 if metric.highest is None else metric.highest
        for value in (metric.lowest, highest, (metric.lowest + highest) / 2):
            found = Estimate.of(value, draws + value, metric, blocks)
            assert metric.lowest <= found.low <= value <= found.high and found.low < found.high, metric.name
    assert Estimate.of(0.0, draws, OPEN_SET["aose"], blocks, scale=20).high == pytest.approx(
        20 * 3.841 / 12, rel=1e-3
    )


def test_score_effective_solves_its_equation():
    for mean, variance, images in ((0.0, 0.0, 10), (1.4, 0.02, 50), (0.3, 0.0, 5)):
        low, high = (float(end) for end in score_effective(mean, variance, images))
        dispersion = (variance + 0.25 / images**2) / (mean + 0.25 / images)
        assert 0 <= low <= mean < high
        for end in {low, high} - {0.0}:
            assert (mean - end) ** 2 == pytest.approx(1.959964**2 * end * dispersion, rel=1e-4)


def test_the_false_alarm_rate_has_one_interval_beside_every_ood_set():
    """It depends on in-distribution frames alone: how OoD scores follow each other does not change it."""
    random = np.random.default_rng(0)
    names = [f"{i:03}" for i in range(240)]
    sequences = {name: "ab"[i % 2] for i, name in enumerate(names)}
    known = np.repeat(random.normal(size=80), 3)
    found = []
    for other in (random.normal(1, 1, 240), np.cumsum(random.normal(size=240)), random.normal(1, 1, 12)):
        sides = [names, [f"other/{i:03}" for i in range(len(other))]]
        more = sequences | dict.fromkeys(sides[1], "c") if len(other) == 240 else sequences
        blocks = Blocks.fitting([known, other], sides, more)
        estimate = evaluate(known, other, 1.0, blocks=blocks)["false_alarm_rate"]
        found.append((estimate.value, estimate.low, estimate.high))
    assert found[0] == found[1] == found[2] and found[0][1] < found[0][0] < found[0][2]
    alone = Blocks.fitting([known, known], [names, names])
    exact = evaluate(known, known + 1, 1.0, blocks=alone)["false_alarm_rate"]
    alarms = int((known > 1.0).sum())
    low, high = beta.ppf([0.025, 0.975], [alarms, alarms + 1], [241 - alarms, 240 - alarms])
    assert (exact.low, exact.high) == pytest.approx((low, high)), (
        "closed form, although both sides share their sources"
    )
