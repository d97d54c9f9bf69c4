"""LaRED, LaREM, PCA and the kernel density against scikit-learn and float64 brute force."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity

from lsood import KDEClassifier, LaRED, LaREM
from lsood.density.kernel import kernel_log_density
from lsood.density.pca import PCA


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def brute_density(x, fit, bandwidth):
    squared = ((x[:, None].astype(np.longdouble) - fit) ** 2).sum(-1)
    norm = np.log(len(fit)) + fit.shape[1] / 2 * np.log(2 * np.pi * bandwidth**2)
    return (logsumexp((-squared / (2 * bandwidth**2)).astype(np.float64), axis=1) - norm).astype(np.float64)


@pytest.mark.parametrize("dimension", [1, 16, 64, 256])
@pytest.mark.parametrize("bandwidth", [0.5, 1.0])
def test_density_equals_brute_force(dimension, bandwidth):
    fit, x = normal(300, dimension), 1.3 * normal(50, dimension, seed=1)
    ours = kernel_log_density(torch.from_numpy(x), torch.from_numpy(fit), bandwidth).numpy()
    np.testing.assert_allclose(ours, brute_density(x, fit, bandwidth), rtol=1e-10)


def test_scikit_learn_agrees_in_low_dimension_and_is_wrong_at_256():
    for dimension, bound in ((4, 1e-5), (256, None)):
        fit, x = normal(500, dimension), 1.3 * normal(200, dimension, seed=1)
        theirs = KernelDensity(bandwidth=1.0).fit(fit).score_samples(x)
        exact = brute_density(x, fit, 1.0)
        ours = kernel_log_density(torch.from_numpy(x), torch.from_numpy(fit)).numpy()
        np.testing.assert_allclose(ours, exact, rtol=1e-10)
        if bound is not None:
            np.testing.assert_allclose(theirs, exact, atol=bound)
        else:
            assert (np.abs(theirs - exact) > 1).sum() > 20, (
                "scikit-learn mended its density: drop the warning in the docs"
            )


def test_lared_without_pca_is_minus_the_log_density():
    fit, x = normal(100, 12), normal(20, 12, seed=1)
    ours = LaRED(pca=None).fit(torch.from_numpy(fit)).score(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours, -brute_density(x, fit, 1.0), rtol=1e-10)


def test_larem_equals_empirical_covariance():
    fit, x = normal(200, 10) @ normal(10, 10, seed=2), normal(30, 10, seed=1)
    ours = LaREM(pca=None).fit(torch.from_numpy(fit)).score(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours, EmpiricalCovariance().fit(fit).mahalanobis(x), rtol=1e-8)


def test_larem_after_whitening_is_the_squared_norm():
    fit, x = normal(200, 10), normal(30, 10, seed=1)
    z = PCA(5).fit(torch.from_numpy(fit)).transform(torch.from_numpy(x))
    ours = LaREM(pca=5).fit(torch.from_numpy(fit)).score(torch.from_numpy(x))
    torch.testing.assert_close(ours, z.square().sum(1) * 200 / 199)


def test_pca_equals_scikit_learn():
    fit, x = normal(80, 20) * np.arange(1, 21), normal(10, 20, seed=1)
    theirs = SklearnPCA(7, whiten=True, svd_solver="full").fit(fit)
    ours = PCA(7).fit(torch.from_numpy(fit))
    np.testing.assert_allclose(
        np.abs(ours.transform(torch.from_numpy(x))), np.abs(theirs.transform(x)), rtol=1e-8
    )


@pytest.mark.parametrize("components", [1, 4, 19])
def test_pca_likelihood_equals_scikit_learn(components):
    fit, x = normal(80, 20) * np.arange(1, 21), normal(10, 20, seed=1) * 5
    theirs = SklearnPCA(components, svd_solver="full").fit(fit).score_samples(x)
    ours = PCA(3).fit(torch.from_numpy(fit)).log_likelihood(torch.from_numpy(x), components)
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-8)


def test_the_number_of_components_follows_held_out_data():
    """Eight directions carry structure, the rest is noise: validation likelihood finds eight."""
    mixing = normal(8, 40, seed=3) * 5
    draw = lambda n, seed: torch.from_numpy(normal(n, 8, seed=seed) @ mixing + normal(n, 40, seed=seed + 50))  # noqa: E731
    detector = LaRED().fit(draw(300, 1)).calibrate(draw(100, 2))
    assert detector.n_components_ == 8


def test_dead_dimensions_do_no_harm():
    """Channels at the entropy floor have no variance; they are left out instead of dividing by zero."""
    fit, x = normal(50, 6), normal(5, 6, seed=1)
    dead = np.full((50, 3), -9.58488)
    for kind in (LaRED, LaREM):
        with_dead = (
            kind(pca=4)
            .fit(torch.from_numpy(np.hstack([fit, dead])))
            .score(torch.from_numpy(np.hstack([x, dead[:5]])))
        )
        torch.testing.assert_close(
            with_dead, kind(pca=4).fit(torch.from_numpy(fit)).score(torch.from_numpy(x))
        )


@pytest.mark.parametrize("kind", [LaRED, LaREM])
@pytest.mark.parametrize("pca", [None, 5, "auto"])
def test_state_round_trip(kind, pca):
    fit, x = torch.from_numpy(normal(60, 9)), torch.from_numpy(normal(7, 9, seed=1))
    detector = kind(pca=pca).fit(fit)
    again = kind.from_state(detector.state(), **detector.get_params())
    torch.testing.assert_close(again.score(x), detector.score(x), rtol=0, atol=0)


def test_bad_input_is_named():
    fit = torch.from_numpy(normal(20, 4))
    fit[3, 1] = torch.nan
    with pytest.raises(ValueError, match="fit set holds NaN or infinity in row 3"):
        LaRED().fit(fit)
    with pytest.raises(ValueError, match="has 5 columns, the fit set had 4"):
        LaREM(pca=2).fit(torch.from_numpy(normal(20, 4))).score(torch.zeros(2, 5))
    with pytest.raises(ValueError, match="bandwidth must be positive, got 0"):
        LaRED(bandwidth=0)
    with pytest.raises(ValueError, match="pca must be"):
        LaREM(pca="all")
    with pytest.raises(ValueError, match="every row is the same"):
        LaRED(pca=2).fit(torch.ones(5, 3))


def test_kde_classifier_posterior_is_bayes_rule():
    x, y, test = normal(60, 3), np.repeat([0, 1], [20, 40]), normal(15, 3, seed=1)
    x[y == 1] += 1
    joint = np.stack([brute_density(test, x[y == c], 0.8) + np.log((y == c).mean()) for c in (0, 1)], axis=1)
    model = KDEClassifier(0.8).fit(x, y)
    expected = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(test), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(test), joint.argmax(1))
    np.testing.assert_allclose(model.decision_function(test), joint[:, 1] - joint[:, 0])
    agreement = (model.predict(test) == GaussianNB().fit(x, y).predict(test)).mean()
    assert agreement > 0.6


def test_kde_classifier_keeps_labels_that_are_no_indices():
    model = KDEClassifier(0.5).fit([[0.0], [0.1], [5.0], [5.1]], ["ood", "ood", "ind", "ind"])
    assert model.predict([[0.0], [5.0]]).tolist() == ["ood", "ind"]
