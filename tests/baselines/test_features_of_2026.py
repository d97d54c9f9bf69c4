"""MDS++, RMDS++, NCI, RAS, CADRef, CARef, CoP, CoRP and NECO against pytorch-ood 0.4, scikit-learn and float64 formulas
written out.
"""

import math

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.functional import normalize

from baselines import (
    NCI,
    NECO,
    RAS,
    CADRef,
    CARef,
    CoP,
    CoRP,
    Energy,
    Mahalanobis,
    MDSPlusPlus,
    RelativeMahalanobis,
    RMDSPlusPlus,
)
from lsood import Head, ModelInfo
from lsood.density.pca import principal_axes
from lsood.methods import create

D, K = 16, 5


def draw(n, seed, shift=0.0):
    """Features of K classes (true labels too), non-negative, some zero, as after a ReLU."""
    random = np.random.default_rng(seed)
    means = 3 * np.random.default_rng(99).normal(size=(K, D))
    mixing = np.random.default_rng(98).normal(size=(D, D))
    labels = np.arange(n) % K
    x = means[labels] + 0.5 * random.normal(size=(n, D)) @ mixing + shift + 2
    return torch.from_numpy(x.clip(0)).float().double(), torch.from_numpy(labels)


TRAIN, LABELS = draw(400, 0)
TEST = draw(60, 1, shift=0.5)[0]
WEIGHT = torch.stack([TRAIN[c == LABELS].mean(0) for c in range(K)]).float().double()
WEIGHT[:, 3] = 0  # a weight without a sign
HEAD = Head(WEIGHT / 10, torch.linspace(-1, 1, K).double() + 2)
INFO = ModelInfo("classification", K, ("pool",), "", (1.0,), head=HEAD)
DENSE = ModelInfo("segmentation", K, ("pool",), "", (1.0,))


def linear(head):
    layer = nn.Linear(D, K)
    layer.load_state_dict({"weight": head.weight.float(), "bias": head.bias.float()})
    return layer.requires_grad_(False)


def test_mds_pp_equals_scikit_learn_on_unit_length_features():
    x, test = (v / v.norm(dim=1, keepdim=True) for v in (TRAIN, TEST))
    means = torch.stack([x[c == LABELS].mean(0) for c in range(K)])
    precision = EmpiricalCovariance(assume_centered=True).fit((x - means[LABELS]).numpy()).precision_
    gaps = (test[:, None] - means).numpy()
    expected = np.einsum("nki,ij,nkj->nk", gaps, precision, gaps).min(1)
    np.testing.assert_allclose(MDSPlusPlus().fit(TRAIN, LABELS).score(TEST), expected, rtol=1e-7)


def test_mds_pp_is_mahalanobis_of_unit_length_features_and_blind_to_length():
    ours = MDSPlusPlus().fit(TRAIN, LABELS)
    whole = Mahalanobis().fit(normalize(TRAIN), LABELS).clean(normalize(TEST))[:, 0]
    torch.testing.assert_close(ours.score(TEST), whole, rtol=0, atol=0)
    lengths = torch.linspace(0.1, 9, len(TEST), dtype=torch.float64)[:, None]
    torch.testing.assert_close(ours.score(lengths * TEST), ours.score(TEST), rtol=1e-8, atol=1e-8)
    assert not torch.allclose(ours.score(TEST), Mahalanobis().fit(TRAIN, LABELS).clean(TEST)[:, 0])
    assert ours.score(torch.zeros(1, D)).isfinite().all()


def test_rmds_pp_equals_the_peer_and_relative_mahalanobis_on_unit_length_features():
    """The peer divides neither scatter by N, which is a factor N on the whole score."""
    ours = RMDSPlusPlus().fit(TRAIN, LABELS).score(TEST)
    plain = RelativeMahalanobis().fit(normalize(TRAIN), LABELS).score(normalize(TEST))
    torch.testing.assert_close(ours, plain, rtol=0, atol=0)
    theirs = peer.RMD(None).fit_features(normalize(TRAIN).float(), LABELS)
    found = theirs.predict_features(normalize(TEST).float()).double() * len(TRAIN)
    torch.testing.assert_close(ours, found, rtol=5e-3, atol=5e-2)
    background = EmpiricalCovariance().fit(normalize(TRAIN).numpy()).mahalanobis(normalize(TEST).numpy())
    nearest = MDSPlusPlus().fit(TRAIN, LABELS).score(TEST)
    np.testing.assert_allclose(ours, nearest.numpy() - background, rtol=1e-6, atol=1e-6)


def test_without_classes_mds_pp_has_one_mean_and_rmds_pp_is_refused():
    assert (RMDSPlusPlus().fit(TRAIN).score(TEST) == 0).all()
    with pytest.raises(ValueError, match="rmds-pp is 0 everywhere where images have no class: use mds-pp"):
        RMDSPlusPlus().attach(DENSE)
    one = EmpiricalCovariance().fit(normalize(TRAIN).numpy()).mahalanobis(normalize(TEST).numpy())
    np.testing.assert_allclose(MDSPlusPlus().attach(DENSE).fit(TRAIN).score(TEST), one, rtol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.1])
def test_nci_equals_the_peer_and_a_loop(alpha):
    ours = NCI(alpha).fit(TRAIN, head=HEAD).score(TEST)
    theirs = peer.NCI(None, linear(HEAD), alpha=alpha).fit_features(TRAIN)
    torch.testing.assert_close(ours, theirs.predict_features(TEST.float()).double(), rtol=1e-4, atol=1e-4)
    mean = TRAIN.mean(0)
    for f, found in zip(TEST, ours, strict=True):
        w = HEAD.weight[int(HEAD(f[None]).argmax())]
        expected = -(w @ (f - mean)) / (f - mean).norm() - alpha * f.abs().sum()
        assert found.item() == pytest.approx(expected.item(), rel=1e-10)
    assert NCI().fit(TRAIN, head=HEAD).score(TRAIN.mean(0, keepdim=True)).isfinite().all()


def test_ncis_first_term_is_a_cosine_times_the_weights_length():
    same = Head(normalize(HEAD.weight), HEAD.bias)
    found = NCI(0).fit(TRAIN, head=same).score(TEST)
    assert (found.abs() <= 1 + 1e-12).all()
    at_weight = TRAIN.mean(0) + 100 * same.weight[2:3]
    assert NCI(0).fit(TRAIN, head=same).score(at_weight).item() == pytest.approx(-1)


def test_ras_equals_a_loop_and_is_energy_of_the_image_it_is_fitted_on():
    curve = np.sort(TRAIN.numpy(), axis=1).mean(0)
    ours = RAS().attach(INFO).fit(TRAIN)
    for f, found in zip(TEST, ours.score(TEST), strict=True):
        shifted = np.zeros(D)
        for rank, place in enumerate(sorted(range(D), key=lambda j: (float(f[j]), j))):
            shifted[place] = curve[rank]
        z = HEAD(torch.from_numpy(shifted)[None])
        assert found.item() == pytest.approx(-z.logsumexp(1).item(), rel=1e-12)
    for f in TEST.split(1):
        assert torch.equal(RAS().attach(INFO).fit(f).score(f), Energy().score(HEAD(f)))


def test_ras_sees_the_order_of_features_alone():
    ours = RAS().attach(INFO).fit(TRAIN)
    torch.testing.assert_close(ours.score(TEST.exp()), ours.score(TEST), rtol=0, atol=0)
    assert len({round(s, 12) for s in ours.score(torch.zeros(4, D)).tolist()}) == 1


def confidence_of(z, name):
    p = z.softmax(0)
    largest = p.sort(descending=True).values[: max(10, len(z) // 10)]
    return {
        "energy": lambda: z.logsumexp(0),
        "max-logit": lambda: z.max(),
        "msp": lambda: p.max(),
        "gen": lambda: 1 / (largest**0.1 * (1 - largest) ** 0.1).sum(),
    }[name]()


@pytest.mark.parametrize("name", ["energy", "max-logit", "msp", "gen"])
def test_cadref_and_caref_equal_a_loop(name):
    predicted = HEAD(TRAIN).argmax(1)
    assert len(predicted.unique()) == K and (predicted != LABELS).any(), "means are of predicted classes"
    means = [TRAIN[predicted == c].mean(0) for c in range(K)]
    mean = sum(confidence_of(z, name) for z in HEAD(TRAIN)) / len(TRAIN)
    ours, plain = CADRef(name).fit(TRAIN, head=HEAD).score(TEST), CARef().fit(TRAIN, head=HEAD).score(TEST)
    for f, found, whole in zip(TEST, ours, plain, strict=True):
        z = HEAD(f[None])[0]
        best = int(z.argmax())
        raising, lowering, total = 0.0, 0.0, float(f.abs().sum())
        for j in range(D):
            gap, w = float(f[j] - means[best][j]), float(HEAD.weight[best, j])
            if w != 0:
                raising += max(math.copysign(gap, gap * w), 0) / total
                lowering += max(-math.copysign(gap, gap * w), 0) / total
        expected = raising / float(confidence_of(z, name)) + lowering / float(mean)
        assert found.item() == pytest.approx(expected, rel=1e-9)
        assert whole.item() == pytest.approx(float((f - means[best]).abs().sum() / total), rel=1e-12)


def test_cadref_of_one_confidence_for_all_is_caref():
    """One class: msp is 1 everywhere, and what is raised and lowered adds up."""
    one = Head(
        torch.randn(1, D, generator=torch.Generator().manual_seed(0)).double(), torch.zeros(1).double()
    )
    found = CADRef("msp").fit(TRAIN, head=one).score(TEST)
    torch.testing.assert_close(found, CARef().fit(TRAIN, head=one).score(TEST))


def test_cadref_with_confidences_that_are_not_positive():
    low = Head(HEAD.weight, HEAD.bias - 50)
    with pytest.raises(
        ValueError, match=r"cadref: the mean energy confidence of the fit images is -.*cadref@msp"
    ):
        CADRef().fit(TRAIN, head=low)
    assert CADRef("msp").fit(TRAIN, head=low).score(TEST).isfinite().all()
    with pytest.raises(
        ValueError, match="the mean gen confidence of the fit images is inf, it must be positive and"
    ):
        CADRef("gen").fit(TRAIN, head=Head(HEAD.weight[:1], HEAD.bias[:1]))
    away = Head(HEAD.weight, HEAD.bias - 2)
    ours = CADRef().fit(TRAIN, head=away)
    weak = 1e-3 * TEST
    assert (away(weak).logsumexp(1) > 0).all()
    faint = Head(HEAD.weight, HEAD.bias - float(HEAD(weak).logsumexp(1).max()) - 0.1)
    ours = CADRef().fit(TRAIN, head=faint)
    assert (faint(weak).logsumexp(1) < 0).all() and ours.mean_confidence_ > 0
    assert (ours.score(weak) > ours.score(TRAIN).max()).all(), "no confidence is anomalous, not negative"


def test_a_class_never_predicted_has_the_mean_of_all(caplog):
    head = Head(HEAD.weight, HEAD.bias - torch.tensor([0, 0, 1e3, 0, 0]))
    detector = CARef().fit(TRAIN, head=head)
    torch.testing.assert_close(detector.means_[2], TRAIN.mean(0))
    assert "caref: no fit image is predicted as 1 of 5 classes; the mean of all" in caplog.text


def residual(train, test, share):
    """Length outside the axes that explain ``share``, by numpy's SVD."""
    mean = train.mean(0)
    _, spread, axes = np.linalg.svd(train - mean, full_matrices=False)
    explained = np.cumsum(spread**2) / np.sum(spread**2)
    kept = axes[: int(np.argmax(explained >= share)) + 1]
    gap = test - mean
    return np.linalg.norm(gap - gap @ kept.T @ kept, axis=1)


@pytest.mark.parametrize("share", [0.3, 0.85, 0.95])
def test_cop_equals_a_singular_value_decomposition(share, monkeypatch):
    train, test = normalize(TRAIN).numpy(), normalize(TEST).numpy()
    found = CoP(share).fit(TRAIN).score(TEST)
    np.testing.assert_allclose(found, residual(train, test, share), rtol=1e-8)
    monkeypatch.setattr("baselines.features.cop.CHUNK", 500)
    torch.testing.assert_close(CoP(share).fit(TRAIN).score(TEST), found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("share", "gamma", "count", "n"), [(0.8, 2.0, 64, 400), (0.5, 3.0, 96, 40)])
def test_corp_equals_a_singular_value_decomposition_of_its_random_features(share, gamma, count, n):
    ours = CoRP(share, gamma, count).fit(TRAIN[:n])
    omega, u = ours.frequencies_.numpy(), ours.phases_.numpy()
    assert omega.shape == (count, D) and (u >= 0).all() and (u < 2 * np.pi).all()
    unit = (normalize(v).numpy() for v in (TRAIN[:n], TEST))
    train, test = (np.sqrt(2 / count) * np.cos(v @ omega.T + u) for v in unit)
    np.testing.assert_allclose(ours.score(TEST), residual(train, test, share), rtol=1e-6)


def test_corps_features_approximate_the_gaussian_kernel():
    ours = CoRP(gamma=0.7, features=4000)
    ours.frequencies_, ours.phases_ = CoRP(gamma=0.7, features=4000)._draw(D)
    x, y = normalize(TRAIN[:30]), normalize(TEST[:30])
    kernel = (-0.7 * torch.cdist(x, y).square()).exp()
    assert (ours._map(x) @ ours._map(y).T - kernel).abs().max() < 5 * 4000**-0.5


def test_corp_is_seeded():
    one, same, other = (CoRP(features=64, seed=s).fit(TRAIN) for s in (0, 0, 1))
    assert torch.equal(one.score(TEST), same.score(TEST))
    assert not torch.allclose(one.score(TEST), other.score(TEST))
    lengths = torch.linspace(0.1, 9, len(TEST), dtype=torch.float64)[:, None]
    torch.testing.assert_close(one.score(lengths * TEST), one.score(TEST))


def test_corp_of_a_wide_kernel_ranks_as_cop():
    """As gamma falls, the Gaussian kernel of unit-length features becomes affine in their inner product."""
    train = TRAIN @ torch.diag(torch.tensor([4.0] * 4 + [0.3] * 12).double())
    test = TEST @ torch.diag(torch.tensor([4.0] * 4 + [0.3] * 12).double())
    wide, linear_ = CoRP(0.8, 1e-5, 1024).fit(train).score(test), CoP(0.8).fit(train).score(test)
    ranks = [v.argsort().argsort().double() for v in (wide, linear_)]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.95


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_neco_equals_scikit_learn(share):
    train = torch.cat([TRAIN, torch.full((len(TRAIN), 1), 3.0)], 1)
    test = torch.cat([TEST, torch.linspace(0, 6, len(TEST))[:, None]], 1)
    scaler = StandardScaler().fit(train.numpy())
    pca = PCA(svd_solver="full").fit(scaler.transform(train.numpy()))
    d = int(np.argmax(np.cumsum(pca.explained_variance_ratio_) >= share)) + 1
    s = scaler.transform(test.numpy())
    expected = np.linalg.norm(pca.transform(s)[:, :d], axis=1) / np.linalg.norm(s, axis=1)
    ours = NECO(share).fit(train)
    assert ours.axes_.shape == (D + 1, d)
    np.testing.assert_allclose(ours.score(test), -expected, rtol=1e-9)


def test_neco_takes_numerator_and_denominator_of_the_same_standardised_features():
    """A feature's unit changes nothing; it would, were raw features projected or measured."""
    units = torch.logspace(-3, 3, D, dtype=torch.float64)
    found = NECO().fit(TRAIN).score(TEST)
    torch.testing.assert_close(NECO().fit(TRAIN * units).score(TEST * units), found)
    torch.testing.assert_close(NECO().fit(TRAIN + 50 * units).score(TEST + 50 * units), found)
    assert ((found >= -1 - 1e-12) & (found <= 0)).all()
    inside = NECO().fit(TRAIN)
    along = inside.mean_ + inside.scale_ * (7 * inside.axes_.T)
    torch.testing.assert_close(inside.score(along), -torch.ones(len(along), dtype=torch.float64))


def test_neco_times_the_largest_logit_only_where_asked():
    ratio = NECO().attach(INFO).fit(TRAIN).score(TEST)
    torch.testing.assert_close(NECO().attach(DENSE).fit(TRAIN).score(TEST), ratio, rtol=0, atol=0)
    with_logit = create("neco@max_logit=True").attach(INFO).fit(TRAIN).score(TEST)
    torch.testing.assert_close(with_logit, ratio * HEAD(TEST).amax(1))
    with pytest.raises(ValueError, match="neco needs a classifier with a linear last layer"):
        NECO(max_logit=True).attach(DENSE)


def test_principal_axes_are_the_fewest_and_leave_something():
    scatter = torch.diag(torch.tensor([1.0, 6.0, 3.0]).double())
    assert [principal_axes(scatter, share, "m").shape[1] for share in (0.1, 0.6, 0.61, 0.9)] == [1, 1, 2, 2]
    assert principal_axes(scatter, 0.6, "m").abs().T.tolist() == [[0, 1, 0]]
    with pytest.raises(
        ValueError, match=r"m: 0\.95 of the variance takes all 3 axes; give a smaller variance"
    ):
        principal_axes(scatter, 0.95, "m")
    with pytest.raises(ValueError, match="m: the fit images are all the same"):
        principal_axes(torch.zeros(3, 3).double(), 0.5, "m")


def test_bad_arguments_are_named():
    for spec, message in (
        ("nci@alpha=-1", "alpha must not be negative, got -1"),
        ("cadref@margin", "confidence must be one of energy, max-logit, msp, gen, got 'margin'"),
        ("cop@variance=1", "variance must lie between 0 and 1, got 1"),
        ("corp@gamma=0", "gamma must be positive, got 0"),
        ("corp@features=1", "features must be at least 2, got 1"),
        ("neco@variance=0", "variance must lie between 0 and 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            create(spec)
    assert create("cadref@gen").confidence == "gen"
