"""Entropy against a k-d tree, closed forms and the reference's floor."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma

from lsood import entropy
from lsood.extraction.entropy import joint_entropy


def tree_entropy(samples: np.ndarray, k: int) -> np.ndarray:
    """Kozachenko-Leonenko by one k-d tree per dimension, (T, D) -> (D,)."""
    n = len(samples)
    values = []
    for column in samples.T:
        distance = cKDTree(column[:, None]).query(column[:, None], k + 1, p=np.inf)[0][:, k]
        values.append(digamma(n) - digamma(k) + np.log(2 * np.maximum(distance, 1e-5)).mean())
    return np.array(values)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 16, 33])
def test_equals_a_kd_tree(n):
    random = np.random.default_rng(n)
    samples = random.normal(size=(3, n, 20)) * 10.0 ** random.uniform(-6, 3, size=20)
    samples[:, :, 0] = 0.0
    samples[:, : n // 2, 1] = 1.0
    ours = entropy(torch.from_numpy(samples)).numpy()
    expected = np.stack([tree_entropy(image, min(5, n - 1)) for image in samples])
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 9])
def test_equals_a_kd_tree_for_any_k(k):
    samples = np.random.default_rng(k).normal(size=(10, 6))
    np.testing.assert_allclose(
        entropy(torch.from_numpy(samples), k=k).numpy(), tree_entropy(samples, k), atol=1e-9
    )


def test_a_dimension_without_spread_has_the_reference_floor():
    assert entropy(torch.ones(16, 3)).tolist() == pytest.approx([-9.58488] * 3, abs=1e-5)


def test_approaches_the_gaussian_closed_form():
    samples = 3 * torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert entropy(samples).tolist() == pytest.approx([0.5 * np.log(2 * np.pi * np.e * 9)] * 2, abs=0.05)


def test_joint_entropy_equals_a_kd_tree():
    samples = np.random.default_rng(0).normal(size=(2, 16, 3))
    for image, ours in zip(samples, joint_entropy(torch.from_numpy(samples)).numpy(), strict=True):
        distance = cKDTree(image).query(image, 6, p=np.inf)[0][:, 5]
        assert ours == pytest.approx(digamma(16) - digamma(5) + 3 * np.log(2 * distance).mean())


@pytest.mark.parametrize("samples", [torch.zeros(1, 4), torch.zeros(4)])
def test_one_sample_has_no_entropy(samples):
    with pytest.raises(ValueError, match="at least 2 Monte-Carlo samples"):
        entropy(samples)


def test_not_finite_stays_not_finite():
    samples = torch.randn(8, 2)
    samples[3, 0] = torch.nan
    assert entropy(samples).isfinite().tolist() == [False, True]
