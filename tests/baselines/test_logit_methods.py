"""Methods on logits against pytorch-ood 0.4, scipy, and sums written out."""

import math

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy

from baselines import GEN, MSP, Energy, Entropy, KLMatching, MaxLogit, TempScale
from lsood import Activations, ModelInfo, OnePass
from lsood.probes.image import PixelScores

STD = (0.2, 0.25, 0.3)
CLASSIFIER = ModelInfo("classification", 10, ("relu1", "relu2"), "drop", STD)
DENSE = ModelInfo("segmentation", 4, ("relu1", "relu2"), "drop", STD)


def logits(n=200, k=10, seed=0, scale=2.0):
    return scale * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


PEERS = {
    "max-logit": (MaxLogit(), peer.MaxLogit.score),
    "energy": (Energy(), peer.EnergyBased.score),
    "energy T=7": (Energy(7.0), lambda z: peer.EnergyBased.score(z, t=7.0)),
    "entropy": (Entropy(), peer.Entropy.score),
    "gen": (GEN(), lambda z: 10 * peer.GEN.score(z)),
    "gen M=3": (GEN(0.5, 3), lambda z: 3 * peer.GEN.score(z, gamma=0.5, M=3)),
}


@pytest.mark.parametrize("case", PEERS)
def test_equals_the_peer(case):
    ours, theirs = PEERS[case]
    torch.testing.assert_close(ours.score(logits()), theirs(logits()).double(), rtol=1e-5, atol=1e-5)


def test_identities():
    z = logits().double()
    p = z.softmax(1)
    torch.testing.assert_close(Energy().score(z), -torch.logsumexp(z, 1), rtol=0, atol=0)
    torch.testing.assert_close(GEN(1.0, 10).score(z), (p * (1 - p)).sum(1))
    torch.testing.assert_close(Entropy().score(z), torch.distributions.Categorical(p).entropy())
    torch.testing.assert_close(TempScale().score(z), MSP().score(z), rtol=0, atol=0)
    assert GEN().score(torch.zeros(1, 10)).item() == pytest.approx(10 * (0.1 * 0.9) ** 0.1)


def test_gen_tells_sure_images_apart_where_float64_probabilities_are_one():
    """At a gap of 40 and more 1 - p is 0 in float64; the score still falls as the gap grows."""
    z = torch.zeros(4, 3).double()
    z[:, 0] = torch.tensor([40.0, 60.0, 200.0, 900.0])
    expected = [
        2 * math.exp(-0.1 * gap) + math.exp(0.1 * (math.log(2) - gap)) for gap in (40.0, 60.0, 200.0, 900.0)
    ]
    np.testing.assert_allclose(GEN().score(z), expected, rtol=1e-6)


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_temperature_minimises_the_likelihood(heat):
    """Labels drawn from softmax(z / heat): T is found, and is scipy's minimum of the negative log-likelihood."""
    z = logits(4000, 5).double()
    labels = torch.multinomial((z / heat).softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    detector = TempScale().calibrate(z, labels)
    assert detector.temperature_ == pytest.approx(heat, rel=0.1)

    def loss(t):
        return -log_softmax(z.numpy() / t, axis=1)[np.arange(len(z)), labels.numpy()].mean()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert detector.temperature_ == pytest.approx(best.x, rel=1e-6)
    torch.testing.assert_close(detector.score(z), MSP().score(z / detector.temperature_))


def test_temperature_is_where_the_peer_tends_to():
    """One fit of the peer stops after 50 short steps; twenty come within two percent."""
    z = logits(500, 5)
    labels = torch.multinomial((z / 2).softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    theirs = peer.TemperatureScaling(None)
    for _ in range(20):
        theirs.fit_logits(z, labels)
    assert TempScale().calibrate(z, labels).temperature_ == pytest.approx(theirs.t.item(), rel=0.02)


def test_temperature_without_an_optimum_is_an_end():
    z = logits(50)
    assert TempScale().calibrate(z, z.argmax(1)).temperature_ == 0.01
    assert TempScale().calibrate(z, z.argmin(1)).temperature_ == 100
    with pytest.raises(ValueError, match=r"label in 0 ... 9 for each"):
        TempScale().calibrate(z)
    with pytest.raises(ValueError, match=r"label in 0 ... 9 for each"):
        TempScale().calibrate(z, torch.full((50,), -1))


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_kl_matching_equals_the_peer_and_scipy(scale):
    """Classes 3 and 7 are never predicted; the one-hot they get in the paper is infinitely far."""
    validation, z = logits(120, scale=scale), logits(40, seed=1, scale=scale)
    validation[:, [3, 7]] -= 50
    ours = KLMatching().calibrate(validation).score(z)
    theirs = peer.KLMatching(None).fit_logits(validation, torch.zeros(120)).predict_logits(z)
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-4, atol=1e-5)
    p, q = validation.double().softmax(1), z.double().softmax(1)
    predicted = p.argmax(1)
    means = [p[predicted == k].mean(0) if (predicted == k).any() else torch.eye(10)[k] for k in range(10)]
    expected = [min(scipy_entropy(row, mean) for mean in means) for row in q.numpy()]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="calibrate"):
        KLMatching().score(z)


def test_kl_matching_is_zero_at_a_class_distribution_and_finite_far_away():
    validation = torch.eye(4).double() * 900
    detector = KLMatching().calibrate(validation)
    far = torch.full((1, 4), -900.0).double()
    far[0, 1:3] = 0
    found = detector.score(torch.cat([validation, far]))
    np.testing.assert_allclose(found[:4], 0, atol=1e-9)
    assert found[4].item() == pytest.approx(450 - math.log(2))


@pytest.mark.parametrize("kind", [MSP, MaxLogit, Energy, Entropy])
def test_segmentation_is_the_mean_over_pixels(tiny, kind):
    network, x = tiny(dense=True), torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    detector = kind().attach(DENSE)
    with OnePass(network, detector.probes()) as run:
        found = Activations(run(x, list("abc")), list("abc"))
    assert list(found) == [PixelScores().name]
    z = network(x).double().permute(0, 2, 3, 1)
    pixels = kind().score(z.reshape(-1, 4)).reshape(3, -1)
    torch.testing.assert_close(detector.score(found), pixels.mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [KLMatching, TempScale])
def test_classifiers_only(kind):
    with pytest.raises(ValueError, match="a classifier"):
        kind().attach(DENSE)


@pytest.mark.parametrize("kind", [MaxLogit, Energy, Entropy, GEN, KLMatching, TempScale])
def test_activations_tensors_batches_and_state_agree(kind):
    validation, z = logits(60), logits(30, seed=1)
    labels = logits(60, seed=2).argmax(1)
    keys = [str(i) for i in range(60)]
    detector = kind().attach(CLASSIFIER)
    detector.fit(Activations({"logits": validation}, keys))
    detector.calibrate(Activations({"logits": validation, "labels": labels}, keys))
    scores = detector.score(z)
    assert scores.dtype == torch.float64 and scores.shape == (30,)
    torch.testing.assert_close(detector.score(Activations({"logits": z}, keys[:30])), scores, rtol=0, atol=0)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(detector.score(z[order]), scores[order], rtol=1e-12, atol=1e-12)
    alone = torch.cat([detector.score(row[None]) for row in z])
    torch.testing.assert_close(alone, scores, rtol=1e-12, atol=1e-12)
    again = kind.from_state(detector.state(), **detector.get_params())
    torch.testing.assert_close(again.score(z), scores, rtol=0, atol=0)


def test_a_sure_image_is_less_anomalous_than_an_unsure_one():
    z = torch.tensor([[9.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    validation = torch.cat([z, z.roll(1, 1), z.roll(2, 1)])[[0, 2, 4]]
    for detector in (MaxLogit(), Energy(), Entropy(), GEN(), TempScale(), KLMatching().calibrate(validation)):
        sure, unsure = detector.score(z).tolist()
        assert sure < unsure, detector.name


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        Energy(0)
    with pytest.raises(ValueError, match="pixel scores are taken at temperature 1, got 2"):
        Energy(2).attach(DENSE)
    with pytest.raises(ValueError, match=r"gamma must be in \(0, 1\], got 2"):
        GEN(2)
    with pytest.raises(ValueError, match="largest must be at least 1, got 0"):
        GEN(largest=0)
    with pytest.raises(ValueError, match="gen: the logits holds NaN or infinity in row 1"):
        GEN().score(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]))
