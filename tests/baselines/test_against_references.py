"""MSP, ODIN and Mahalanobis against pytorch-ood 0.4, every method against a float64 formula written out."""

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from sklearn.covariance import EmpiricalCovariance

from baselines import FSSD, MSP, ODIN, DeepEnsemble, KDEClassifierDetector, Mahalanobis
from lsood import ModelInfo, OnePass
from lsood.probes.image import EnsembleProbability, PixelScores, SingularityDistances

STD = (0.2, 0.25, 0.3)
MODEL_INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", STD)


def images(n, seed=0):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def features(n, d=12, seed=0):
    mixing = np.random.default_rng(99).normal(size=(d, d))
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)) @ mixing)


def test_msp_equals_the_peer():
    z = 5 * torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    theirs = peer.MaxSoftmax.score(z).double()
    torch.testing.assert_close(MSP().score(z) - 1, theirs, rtol=1e-5, atol=1e-6)


def test_msp_keeps_the_order_where_float32_softmax_saturates():
    z = torch.zeros(3, 10)
    z[:, 0] = torch.tensor([20.0, 30.0, 45.0])
    assert z.softmax(1).amax(1).unique().numel() < 3
    assert MSP().score(z).argsort(descending=True).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("temperature", "epsilon"), [(1000.0, 0.0014), (1.0, 0.01), (10.0, 0.0)])
def test_odin_equals_the_peer(tiny, temperature, epsilon):
    network, x = tiny(), images(16)
    ours = ODIN(temperature, epsilon).attach(MODEL_INFO)
    with OnePass(network, [], [ours.perturbations()[0]]) as run:
        found = run(x, list(map(str, range(16))))[ours.perturbations()[0].name].double()
    theirs = peer.ODIN(tiny(), eps=epsilon, temperature=temperature, norm_std=list(STD)).predict(x)
    torch.testing.assert_close(found - 1, theirs.double(), rtol=1e-4, atol=1e-6)


def test_odin_segmentation_is_the_mean_over_pixels(tiny):
    network, x = tiny(dense=True), images(4)
    model_info = ModelInfo("segmentation", 4, ("relu1",), "drop", STD)
    ours = ODIN(1.0, 0.002).attach(model_info)
    with OnePass(network, [], [ours.perturbations()[0]]) as run:
        found = run(x, list("abcd"))[ours.perturbations()[0].name]
    live = x.clone().requires_grad_()
    log_p = network(live).log_softmax(1).amax(1).flatten(1).sum()
    (gradient,) = torch.autograd.grad(log_p, live)
    moved = x + 0.002 * gradient.sign() / torch.tensor(STD)[:, None, None]
    expected = 1 - network(moved).softmax(1).amax(1).mean(dim=(1, 2))
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-5)


def test_mahalanobis_equals_scikit_learn_and_ranks_like_the_peer():
    x, labels, test = features(300), torch.arange(300) % 4, features(80, seed=1)
    x = x + labels[:, None]
    ours = Mahalanobis().fit(x, labels).clean(test)[:, 0]
    means = torch.stack([x[labels == k].mean(0) for k in range(4)])
    precision = EmpiricalCovariance(assume_centered=True).fit((x - means[labels]).numpy()).precision_
    gaps = (test[:, None] - means).numpy()
    expected = np.einsum("nki,ij,nkj->nk", gaps, precision, gaps).min(1)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-8)
    theirs = (
        peer.Mahalanobis(torch.nn.Identity()).fit_features(x.float(), labels).predict_features(test.float())
    )
    ranks = [values.argsort().argsort() for values in (ours.numpy(), theirs.numpy())]
    assert np.corrcoef(*ranks)[0, 1] > 0.999


def test_mahalanobis_with_a_dead_unit_is_finite_and_unchanged():
    x, test = features(100), features(20, seed=1)
    dead = torch.cat([x, torch.zeros(100, 1)], dim=1)
    ours = Mahalanobis().fit(dead).clean(torch.cat([test, torch.zeros(20, 1)], dim=1))
    torch.testing.assert_close(ours, Mahalanobis().fit(x).clean(test))


def test_layers_are_standardised_by_validation_images():
    train, held_out, test = features(100), features(50, seed=1), features(10, seed=2)
    detector = Mahalanobis().fit(train).calibrate(held_out)
    reference = detector.clean(held_out)
    expected = (detector.clean(test) - reference.mean(0)) / reference.std(0, correction=0)
    torch.testing.assert_close(detector.score(test), expected.sum(1))


def test_fssd_is_minus_the_distance():
    distances = features(30).abs()[:, :3]
    detector = FSSD().fit(distances)
    z = (distances - distances.mean(0)) / distances.std(0, correction=0)
    torch.testing.assert_close(detector.score(distances), -z.sum(1))
    assert SingularityDistances(("a",)).noise == 100


def test_deep_ensemble_is_one_minus_the_maximum_of_the_mean(tiny):
    network, other = tiny(), tiny()
    torch.nn.init.normal_(other.head.weight)
    x = images(6)
    detector = DeepEnsemble((other,), "hash").attach(MODEL_INFO)
    with OnePass(network, detector.probes()) as run:
        found = run(x, list("abcdef"))
        assert run.forwarded == {"shared_pass": 6, "members": 6}
    mean = (network(x).softmax(1) + other(x).softmax(1)) / 2
    score = detector.score(next(iter(found.values())))
    torch.testing.assert_close(score.float(), 1 - mean.amax(1))
    with pytest.raises(ValueError, match="at least two networks"):
        DeepEnsemble().attach(MODEL_INFO)


def test_pixel_scores_are_means_over_pixels(tiny):
    network, other, x = tiny(dense=True), tiny(dense=True), images(3)
    torch.nn.init.normal_(other.head.weight)
    with OnePass(network, [PixelScores(), EnsembleProbability((other,), "h")]) as run:
        found = run(x, list("abc"))
    z = network(x).double()
    p = z.softmax(1)
    scores = [1 - p.amax(1), -z.amax(1), -z.logsumexp(1), -(p * p.log()).sum(1)]
    expected = torch.stack(scores, dim=1).mean(dim=(2, 3))
    torch.testing.assert_close(found["pixel_scores"].double(), expected, rtol=1e-5, atol=1e-6)
    mean = (network(x).softmax(1) + other(x).softmax(1)) / 2
    pair = found["ensemble.m2.h"][:, 0].float()
    torch.testing.assert_close(pair, (1 - mean.amax(1)).mean(dim=(1, 2)), rtol=1e-5, atol=1e-6)


def test_kde_classifier_needs_both_sides_and_says_so_by_its_protocol():
    inside, outside = features(60), features(60, seed=1) + 4
    detector = KDEClassifierDetector(pca=3).fit_with_outliers(inside, outside)
    assert detector.protocols[0] == "oracle-val"
    assert (detector.score(outside) > 0).double().mean() > 0.9
    assert (detector.score(inside) > 0).double().mean() < 0.1


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        ODIN(temperature=0)
    with pytest.raises(ValueError, match="epsilon must not be negative"):
        FSSD(epsilon=-1)
    with pytest.raises(ValueError, match="attach"):
        MSP().probes()
