"""The AUROC's interval covers what it says: few images, unequal sides, AUROC near 1, unequal spreads."""

import numpy as np
import pytest
from scipy.stats import norm

from lsood import evaluate
from lsood.metrics.comparison import delong_covariance
from lsood.metrics.intervals import delong_interval
from lsood.metrics.proportions import wilson, wilson_effective
from lsood.metrics.resampling import Blocks
from lsood.metrics.strata import evaluate_strata

SPREADS = {"equal": (1.0, 1.0), "OoD twice": (1.0, 2.0), "in-distribution twice": (2.0, 1.0)}
FAMILIES = [*SPREADS, "exponential", "exponential mirrored"]
SIZES = [(20, 20), (50, 50), (200, 200), (1000, 1000), (233, 10), (10, 233), (500, 20), (20, 500)]
SIZES += [(1000, 50), (50, 1000), (1000, 20), (20, 1000)]
AUROCS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999)


def draw(random, family, auroc, n_in, n_out):
    """Scores of both sides whose true AUROC is known."""
    if family in SPREADS:
        first, second = SPREADS[family]
        shift = norm.ppf(auroc) * np.hypot(first, second)
        return random.normal(0, first, n_in), random.normal(shift, second, n_out)
    one, scale = random.exponential(1, n_in), auroc / (1 - auroc)
    if family == "exponential":
        return one, random.exponential(scale, n_out)
    return -random.exponential(scale, n_in), -random.exponential(1, n_out)


def coverage(family, auroc, n_in, n_out, draws):
    random = np.random.default_rng(0)
    held = 0
    for _ in range(draws):
        low, high = delong_interval(*draw(random, family, auroc, n_in, n_out))
        assert 0 <= low < high <= 1
        held += low <= auroc <= high
    return held / draws


@pytest.mark.parametrize(
    ("family", "auroc", "n_in", "n_out"),
    [("equal", 0.99, 20, 20), ("OoD twice", 0.99, 233, 10), ("exponential", 0.999, 500, 20)],
)
def test_covers_where_the_normal_interval_did_not(family, auroc, n_in, n_out):
    """DeLong's normal interval held the truth in 61, 34 and 9 of 100 of these draws."""
    assert coverage(family, auroc, n_in, n_out, 400) >= 0.93


def placements(scores_in, scores_out):
    """(R,) AUROCs and DeLong variances of R draws (R, N), (R, M) without ties, without the product's code."""
    (draws, n), m = scores_in.shape, scores_out.shape[1]
    is_out = np.argsort(np.concatenate([scores_in, scores_out], axis=1), axis=1) >= n
    below = (np.cumsum(~is_out, axis=1)[is_out] / n).reshape(draws, m)
    above = (1 - np.cumsum(is_out, axis=1)[~is_out] / m).reshape(draws, n)
    return below.mean(1), below.var(1, ddof=1) / m + above.var(1, ddof=1) / n


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
def test_covers_everywhere(family, n_in, n_out):
    random = np.random.default_rng(0)
    for auroc in AUROCS:
        held = []
        for _ in range(8):
            scores = draw(random, family, auroc, (500, n_in), (500, n_out))
            low, high = wilson_effective(*placements(*scores), min(n_in, n_out))
            assert delong_interval(scores[0][0], scores[1][0]) == pytest.approx((low[0], high[0]), abs=1e-9)
            assert (low < high).all()
            held.append((low <= auroc) & (auroc <= high))
        assert np.mean(held) >= 0.93, auroc


@pytest.mark.parametrize(("n_in", "n_out"), [(10, 10), (233, 10), (20, 500)])
def test_perfect_and_reversed_rankings_have_a_bound(n_in, n_out):
    """The bound of a share 1 of as many images as the smaller side has; 100.0 [100.0, 100.0] was printed."""
    scores = np.arange(n_in, dtype=float), 1000.0 + np.arange(n_out)
    few = min(n_in, n_out)
    assert delong_interval(*scores) == pytest.approx((few / (few + 1.959964**2), 1.0), abs=1e-6)
    assert delong_interval(*scores)[1] == 1.0
    assert delong_interval(*scores[::-1]) == pytest.approx((0.0, 1 - few / (few + 1.959964**2)), abs=1e-6)


def test_one_image_on_a_side():
    low, high = delong_interval([0.0, 1.0, 2.0], [3.0])
    assert low == pytest.approx(1 / (1 + 1.959964**2), abs=1e-6) and high == 1
    low, high = delong_interval([0.0, 1.0, 2.0], [1.5], blocks=Blocks.of((["a", "b", "c"], ["a"])))
    assert 0 < low < 2 / 3 < high < 1


def test_many_images_give_delongs_normal_interval():
    random = np.random.default_rng(0)
    scores_in, scores_out = random.normal(size=40000), random.normal(1, 1, 30000)
    aurocs, covariance = delong_covariance(scores_in[None], scores_out[None])
    half = 1.959964 * covariance[0, 0] ** 0.5
    low, high = delong_interval(scores_in, scores_out)
    assert (low, high) == pytest.approx((aurocs[0] - half, aurocs[0] + half), abs=0.01 * half)


def test_images_of_one_source_do_not_count_twice():
    """Ten copies of ten images, all in the right order: ten images' bound, in every place that takes sources."""
    scores_in, scores_out = np.repeat(np.arange(10.0), 10), np.repeat(np.arange(20.0, 30), 10)
    blocks = Blocks.of(([f"a{i // 10}" for i in range(100)], [f"b{i // 10}" for i in range(100)]))
    bound = wilson(1.0, 10)
    assert delong_interval(scores_in, scores_out, blocks=blocks) == pytest.approx(bound)
    whole = evaluate(scores_in, scores_out, 15.0, resamples=5, blocks=blocks)["auroc"]
    part = evaluate_strata(scores_in, scores_out, {"all": range(100)}, blocks, 5)["all"]["auroc"]
    assert (whole.low, whole.high) == (part.low, part.high) == pytest.approx(bound)


def test_clustered_intervals_cover():
    """Thirty sources a side with four nearly equal images each, AUROC .98: the percentile bootstrap held the
    truth in 84 of 100 of these draws.
    """
    random, held = np.random.default_rng(1), 0
    shift = norm.ppf(0.98) * (2 * (1 + 0.05**2)) ** 0.5
    blocks = Blocks.of((np.repeat(np.arange(30), 4).astype(str), np.repeat(np.arange(30, 60), 4).astype(str)))
    for _ in range(400):
        scores = [np.repeat(random.normal(at, 1, 30), 4) + random.normal(0, 0.05, 120) for at in (0.0, shift)]
        low, high = delong_interval(*scores, blocks=blocks)
        held += low <= 0.98 <= high
    assert held / 400 >= 0.93


@pytest.mark.parametrize(("share", "n"), [(0.0, 5), (1.0, 5), (0.3, 7.5), (1 / 3, 1e6)])
def test_wilson_holds_its_share(share, n):
    low, high = wilson(share, n)
    assert 0 <= low <= share <= high <= 1 and low < high
    for end in {low, high} - {0.0, 1.0}:  # the ends solve (share - p)^2 = z^2 p (1 - p) / n
        assert (share - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / n, rel=1e-4)
