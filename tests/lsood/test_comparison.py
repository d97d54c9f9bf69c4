"""The paired DeLong test against a float64 brute force, a permutation test and the bootstrap over sources; Holm."""

import numpy as np
import pytest

from lsood.metrics.comparison import Comparison, compare, delong_covariance, delong_test, holm
from lsood.metrics.curve import Curve
from lsood.metrics.intervals import delong_variance
from lsood.metrics.points import auroc
from lsood.metrics.resampling import Blocks


def two_methods(n, m, seed=0, shift=(1.0, 0.7), ties=False):
    random = np.random.default_rng(seed)
    image_in, image_out = random.normal(size=n), random.normal(size=m)
    scores_in = np.stack([image_in + 0.8 * random.normal(size=n) for _ in shift])
    scores_out = np.stack([image_out + s + 0.8 * random.normal(size=m) for s in shift])
    return (np.round(scores_in), np.round(scores_out)) if ties else (scores_in, scores_out)


def brute(scores_in, scores_out):
    """DeLong et al. 1988, equations 4 to 6, word by word."""
    kernel = (scores_out[:, None, :] > scores_in[:, :, None]) + 0.5 * (
        scores_out[:, None, :] == scores_in[:, :, None]
    )
    theta = kernel.mean((1, 2))
    v10, v01 = kernel.mean(1) - theta[:, None], kernel.mean(2) - theta[:, None]
    n, m = scores_in.shape[1], scores_out.shape[1]
    return theta, v10 @ v10.T / (m - 1) / m + v01 @ v01.T / (n - 1) / n


@pytest.mark.parametrize("ties", [False, True])
def test_covariance_equals_brute_force(ties):
    scores_in, scores_out = two_methods(70, 45, ties=ties)
    aurocs, covariance = delong_covariance(scores_in, scores_out)
    theta, expected = brute(scores_in, scores_out)
    np.testing.assert_allclose(aurocs, theta, rtol=1e-12)
    np.testing.assert_allclose(covariance, expected, rtol=1e-10)
    np.testing.assert_allclose(covariance[0, 0], delong_variance(scores_in[0], scores_out[0]), rtol=1e-10)
    np.testing.assert_allclose(aurocs[0], auroc(scores_in[0], scores_out[0]), rtol=1e-12)
    difference = theta[0] - theta[1]
    z = difference / np.sqrt(expected[0, 0] + expected[1, 1] - 2 * expected[0, 1])
    found = delong_test(scores_in[0], scores_out[0], scores_in[1], scores_out[1])
    assert found.difference == pytest.approx(difference) and found.z == pytest.approx(z)


def test_it_agrees_with_a_permutation_test():
    """Methods of equal scale: exchanging their scores image by image is a permutation of the null."""
    scores_in, scores_out = two_methods(120, 90, seed=3, shift=(1.0, 0.65))
    found = delong_test(scores_in[0], scores_out[0], scores_in[1], scores_out[1])
    random = np.random.default_rng(0)
    beyond = 0
    for _ in range(1000):
        swap_in, swap_out = random.random(120) < 0.5, random.random(90) < 0.5
        a = auroc(np.where(swap_in, *scores_in), np.where(swap_out, *scores_out))
        b = auroc(np.where(swap_in, *scores_in[::-1]), np.where(swap_out, *scores_out[::-1]))
        beyond += abs(a - b) >= abs(found.difference)
    assert 0.001 < found.p < 0.5 and beyond / 1000 == pytest.approx(found.p, abs=0.03)


def test_under_the_null_one_in_twenty_is_significant():
    p = [delong_test(*(side for pair in zip(*two_methods(60, 60, seed, (0.8, 0.8)), strict=True) for side in pair)).p
         for seed in range(200)]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_pairing_matters_and_signs_and_order_are_right():
    scores_in, scores_out = two_methods(200, 200, seed=1)
    better = delong_test(scores_in[0], scores_out[0], scores_in[1], scores_out[1])
    worse = delong_test(scores_in[1], scores_out[1], scores_in[0], scores_out[0])
    assert better.difference > 0 and worse == Comparison(-better.difference, -better.z, better.p)
    aurocs, covariance = delong_covariance(scores_in, scores_out)
    covariance[0, 1] = covariance[1, 0] = 0
    assert compare(aurocs, covariance, 0, 1, 400).p > better.p


def test_a_monotone_map_changes_nothing():
    scores_in, scores_out = two_methods(50, 40)
    same = delong_test(scores_in[0], scores_out[0], np.exp(scores_in[0]), np.exp(scores_out[0]))
    assert same == Comparison(0.0, 0.0, 1.0)


def test_two_perfect_methods_do_not_differ_and_perfect_and_inverted_do():
    low, high = np.arange(5.0), np.arange(10.0, 14)
    assert delong_test(low, high, low**2, high**2).p == 1
    found = delong_test(low, high, high[:1].repeat(5) + low, np.zeros(4))
    assert found == Comparison(1.0, np.inf, 2.0**-8), (
        "2 of the 2^9 exchanges of the methods' scores are as far apart"
    )
    one_source = Blocks.of(([f"s{i // 2}" for i in range(5)], [f"t{i // 2}" for i in range(4)]))
    assert delong_test(low, high, high[:1].repeat(5) + low, np.zeros(4), one_source).p == 2.0**-4, (
        "of 5 sources"
    )


def test_sources_shared_by_both_sides_equal_the_bootstrap_over_sources():
    random = np.random.default_rng(0)
    images, copies = 150, 3
    scene = random.normal(size=(2, images)) + random.normal(size=images)
    scores_in = scene + 0.3 * random.normal(size=(2, images))
    common = random.normal(size=images * copies)
    scores_out = (
        np.repeat(scene, copies, axis=1) + 0.5 + common + 0.4 * random.normal(size=(2, images * copies))
    )
    names = [f"image{i}" for i in range(images)]
    blocks = Blocks.of((names, list(np.repeat(names, copies))))
    _, covariance = delong_covariance(scores_in, scores_out, blocks)
    w_in, w_out = blocks.weights(np.random.default_rng(1), 2000)
    draws = np.stack(
        [Curve.of(a, b, w_in, w_out).auroc() for a, b in zip(scores_in, scores_out, strict=True)]
    )
    np.testing.assert_allclose(covariance, np.cov(draws), rtol=0.12)
    spread = np.std(draws[0] - draws[1])
    found = delong_test(scores_in[0], scores_out[0], scores_in[1], scores_out[1], blocks)
    assert abs(found.difference / found.z) == pytest.approx(spread, rel=0.1)
    _, independent = delong_covariance(scores_in, scores_out)
    assert independent[0, 0] > 1.5 * covariance[0, 0], "a clean image and its anomalous copies move together"


def test_sources_without_repeats_change_nothing():
    scores_in, scores_out = two_methods(30, 20)
    named = Blocks.of(([f"a{i}" for i in range(30)], [f"b{i}" for i in range(20)]))
    for plain, of_blocks in zip(
        delong_covariance(scores_in, scores_out), delong_covariance(scores_in, scores_out, named), strict=True
    ):
        np.testing.assert_allclose(plain, of_blocks, rtol=1e-12)


def test_holm_equals_its_definition():
    random = np.random.default_rng(0)
    p = random.random(12) ** 3
    adjusted = holm(p)
    order = np.argsort(p)
    for rank, i in enumerate(order):
        assert adjusted[i] == pytest.approx(min(1, max((12 - j) * p[order[j]] for j in range(rank + 1))))
    with_gap = holm([0.01, np.nan, 0.03])
    np.testing.assert_allclose(with_gap, [0.02, np.nan, 0.03])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0, 1], [1, 2], [0, 1, 2], [1, 2]), "2 and 3 in-distribution scores"),
        (([0, 1], [1, 2], [0, 1], [1]), "2 and 1 OoD scores"),
        (([0, 1], [1, 2], [0, np.nan], [1, 2]), "NaN"),
        (([0, 1], [2], [0, 1], [2]), "two images on each side"),
        (([0, 1], [1, 2], [0, 1], [1, 2], Blocks.of((["a"], ["b", "c"]))), "blocks name 1 and 2"),
    ],
)
def test_bad_input(arguments, said):
    with pytest.raises(ValueError, match=said):
        delong_test(*arguments)
