"""Methods on penultimate features against pytorch-ood 0.4, scikit-learn, scipy and float64 loops written out."""

import itertools

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from scipy.stats import multivariate_normal
from sklearn.covariance import EmpiricalCovariance
from torch import nn

from baselines import (
    CMD,
    DDU,
    FDBD,
    KNN,
    NCI,
    NECO,
    PNML,
    SHE,
    ActSub,
    CADRef,
    CARef,
    CoP,
    CoRP,
    Energy,
    GradNorm,
    Mahalanobis,
    MDSPlusPlus,
    NNGuide,
    Relation,
    RelativeMahalanobis,
    Residual,
    RMDSPlusPlus,
    ViM,
)
from lsood import Activations, Head, LaRD, LaRDMahalanobis, LaRED, LaREM, ModelInfo, Monitor, OnePass
from lsood.probes.image import standard_probes

D, K = 16, 5
STD = (0.2, 0.25, 0.3)
WITH_HEAD = [
    ActSub, CADRef, CARef, FDBD, GradNorm, NCI, NNGuide, PNML, Relation, SHE, ViM,
]  # fmt: skip
ALL = [
    CMD, CoP, CoRP, DDU, KNN, MDSPlusPlus, NECO, RelativeMahalanobis, Residual, RMDSPlusPlus, *WITH_HEAD,
]  # fmt: skip


def draw(n, seed, shift=0.0):
    """Features of K classes (true labels too), non-negative, some zero, as after a ReLU."""
    random = np.random.default_rng(seed)
    means = 3 * np.random.default_rng(99).normal(size=(K, D))
    mixing = np.random.default_rng(98).normal(size=(D, D))
    labels = np.arange(n) % K
    x = means[labels] + 0.5 * random.normal(size=(n, D)) @ mixing + shift + 2
    return torch.from_numpy(x.clip(0)).float().double(), torch.from_numpy(labels)


def linear(head):
    layer = nn.Linear(D, K)
    layer.load_state_dict({"weight": head.weight.float(), "bias": head.bias.float()})
    return layer.requires_grad_(False)


TRAIN, LABELS = draw(400, 0)
TEST = draw(60, 1, shift=0.5)[0]
WEIGHT = torch.stack([TRAIN[c == LABELS].mean(0) for c in range(K)]).float().double()
HEAD = Head(WEIGHT / 10, -WEIGHT.square().sum(1).float().double() / 20)


def fitted(kind, **options):
    arguments = {"head": HEAD} if kind in WITH_HEAD else {}
    return kind(**options).fit(TRAIN, LABELS, **arguments)


def squared(x, mean, inverse):
    return float((x - mean) @ inverse @ (x - mean))


def test_knn_equals_the_peer_and_a_loop():
    ours = KNN(7).fit(TRAIN).score(TEST)
    theirs = peer.KNN(None, k=7).fit_features(TRAIN, LABELS).predict_features(TEST)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    bank = TRAIN / TRAIN.norm(dim=1, keepdim=True)
    for x, found in zip(TEST[:5] / TEST[:5].norm(dim=1, keepdim=True), ours, strict=False):
        assert found.item() == pytest.approx((bank - x).norm(dim=1).sort().values[6].item())


def test_knn_of_a_fit_image_is_zero_and_chunks_change_nothing(monkeypatch):
    assert (KNN(1).fit(TRAIN).score(TRAIN) == 0).all()
    whole = KNN(50).fit(TRAIN).score(TEST)
    monkeypatch.setattr("baselines.features.knn.CHUNK", 4000)
    torch.testing.assert_close(KNN(50).fit(TRAIN).score(TEST), whole, rtol=0, atol=0)
    few = KNN(50).fit(TRAIN[:9]).score(TEST)
    torch.testing.assert_close(few, KNN(9).fit(TRAIN[:9]).score(TEST), rtol=0, atol=0)
    assert KNN(1).fit(TRAIN).score(torch.zeros(1, D)).isfinite().all()


def test_relative_mahalanobis_equals_the_peer_and_scikit_learn():
    """The peer divides neither scatter by N, which is a factor N on the whole score."""
    ours = fitted(RelativeMahalanobis).score(TEST)
    theirs = peer.RMD(None).fit_features(TRAIN.float(), LABELS).predict_features(TEST.float()) * len(TRAIN)
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-3, atol=1e-3)
    means = torch.stack([TRAIN[c == LABELS].mean(0) for c in range(K)])
    tied = EmpiricalCovariance(assume_centered=True).fit((TRAIN - means[LABELS]).numpy()).precision_
    whole = EmpiricalCovariance().fit(TRAIN.numpy())
    nearest = [min(squared(x, m.numpy(), tied) for m in means) for x in TEST.numpy()]
    np.testing.assert_allclose(ours, np.array(nearest) - whole.mahalanobis(TEST.numpy()), rtol=1e-8)


def test_relative_mahalanobis_of_one_class_is_zero():
    assert (RelativeMahalanobis().fit(TRAIN).score(TEST) == 0).all()
    with pytest.raises(ValueError, match="use mahalanobis"):
        RelativeMahalanobis().attach(ModelInfo("segmentation", K, ("a", "b"), "drop", STD))


def test_cmd_equals_scikit_learn_per_class_also_with_a_singular_covariance():
    for x, labels in ((TRAIN, LABELS), (TRAIN[:60], LABELS[:60])):  # 12 images a class in 16 dimensions
        models = [EmpiricalCovariance().fit(x[labels == c].numpy()) for c in range(K)]
        expected = np.min([model.mahalanobis(TEST.numpy()) for model in models], axis=0)
        np.testing.assert_allclose(CMD().fit(x, labels).score(TEST), expected, rtol=1e-6)


def test_cmd_of_one_class_is_mahalanobis_and_single_images_are_left_out():
    one = CMD().fit(TRAIN).score(TEST)
    torch.testing.assert_close(one, Mahalanobis().fit(TRAIN).clean(TEST)[:, 0])
    labels = LABELS.clone()
    labels[0] = 77
    assert len(CMD().fit(TRAIN, labels).means_) == K
    with pytest.raises(ValueError, match="two different images"):
        CMD().fit(TRAIN[:3], torch.arange(3))


def test_ddu_equals_the_peer_and_scipy():
    """The peer's priors are class frequencies, here equal, and its ridge is absolute."""
    detector = fitted(DDU, ridge=1e-3)
    means = torch.stack([TRAIN[c == LABELS].mean(0) for c in range(K)])
    ridge = 1e-3 * float((TRAIN - means[LABELS]).square().mean())
    theirs = peer.GMM(None, reg=ridge).fit_features(TRAIN, LABELS).predict_features(TEST)
    torch.testing.assert_close(detector.score(TEST), theirs, rtol=1e-8, atol=1e-8)
    density = np.zeros(len(TEST))
    for c in range(K):
        spread = np.cov(TRAIN[c == LABELS].numpy().T, bias=True) + ridge * np.eye(D)
        density += multivariate_normal(means[c].numpy(), spread).pdf(TEST.numpy()) / K
    usable = density > 1e-250
    assert usable.sum() > 20
    np.testing.assert_allclose(detector.score(TEST)[usable], -np.log(density[usable]), rtol=1e-8)


def test_ddu_needs_no_more_images_than_dimensions():
    found = DDU().fit(TRAIN[:15], LABELS[:15]).score(TEST)
    assert found.isfinite().all()
    with pytest.raises(ValueError, match="all the same"):
        DDU().fit(torch.ones(4, 3))


@pytest.mark.parametrize("dimension", [4, None])
def test_vim_equals_the_peer(dimension):
    ours = fitted(ViM, dimension=dimension)
    theirs = peer.ViM(None, d=dimension or D // 2, w=HEAD.weight, b=HEAD.bias).fit_features(TRAIN, LABELS)
    torch.testing.assert_close(ours.score(TEST), theirs.predict_features(TEST).double(), rtol=1e-3, atol=1e-3)
    residual = Residual(dimension).attach(model_info(HEAD)).fit(TRAIN).score(TEST)
    z = HEAD(TEST)
    expected = ours.alpha_ * residual - z.logsumexp(1)
    torch.testing.assert_close(ours.score(TEST), expected)
    mean = Residual(dimension).attach(model_info(HEAD)).fit(TRAIN).score(TRAIN).mean()
    assert ours.alpha_ == pytest.approx(float(HEAD(TRAIN).amax(1).mean() / mean))


def test_vim_without_the_virtual_logit_is_energy():
    detector = fitted(ViM)
    detector.alpha_ = 0.0
    torch.testing.assert_close(detector.score(TEST), Energy().score(HEAD(TEST)), rtol=0, atol=0)


def test_residual_by_singular_values():
    """numpy's SVD of the centred features: what its leading right singular vectors leave of a vector."""
    for head in (HEAD, None):
        origin = TRAIN.mean(0) if head is None else -torch.linalg.pinv(HEAD.weight) @ HEAD.bias
        axes = np.linalg.svd((TRAIN - origin).numpy())[2][:6]
        x = (TEST - origin).numpy()
        expected = np.linalg.norm(x - x @ axes.T @ axes, axis=1)
        found = Residual(6).attach(model_info(head)).fit(TRAIN).score(TEST)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_principal_space_as_large_as_the_features_is_refused():
    for kind, options in itertools.product((ViM, Residual), ({"dimension": D}, {"dimension": 512})):
        with pytest.raises(ValueError, match=f"leaves nothing of {D} features"):
            fitted(kind, **options)
    with pytest.raises(ValueError, match="dimension must be at least 1, got 0"):
        ViM(0)
    flat = TRAIN.clone()
    flat[:, 3:] = 0
    with pytest.raises(ValueError, match="lies in 8 of 16 dimensions"):
        Residual().fit(flat)


def test_she_equals_the_peer_and_names_its_rule_for_a_class_never_right():
    ours = fitted(SHE)
    theirs = peer.SHE(None, linear(HEAD)).fit_features(TRAIN.float(), LABELS)
    torch.testing.assert_close(
        ours.score(TEST), theirs.predict_features(TEST.float()).double(), rtol=1e-4, atol=1e-4
    )
    wrong = torch.where(LABELS == 2, 3, LABELS)
    patterns = SHE().fit(TRAIN, wrong, head=HEAD).patterns_
    torch.testing.assert_close(patterns[2], TRAIN.mean(0))
    right = (HEAD(TRAIN).argmax(1) == 1) & (LABELS == 1)
    assert 0 < right.sum() < len(TRAIN)
    torch.testing.assert_close(patterns[1], TRAIN[right].mean(0))


def test_nnguide_equals_the_peer():
    ours = fitted(NNGuide, k=10, alpha=1.0).score(TEST)
    theirs = peer.NNGuide(None, linear(HEAD), k=10).fit_features(TRAIN.float(), LABELS)
    torch.testing.assert_close(ours, theirs.predict_features(TEST.float()).double(), rtol=1e-4, atol=1e-4)


def test_nnguides_bank_is_a_seeded_sample_and_never_below_k():
    ordered = LABELS.argsort()
    bank = NNGuide(k=20, alpha=0.05).fit(TRAIN[ordered], head=HEAD).bank_
    assert len(bank) == 20
    assert len(fitted(NNGuide, alpha=0.5).bank_) == 200 and len(fitted(NNGuide).bank_) == 100
    scaled = TRAIN[ordered] / TRAIN[ordered].norm(dim=1, keepdim=True)
    scaled = scaled * HEAD(TRAIN[ordered]).logsumexp(1, keepdim=True)
    chosen = torch.cdist(bank, scaled).argmin(1)
    assert len(LABELS[ordered][chosen].unique()) == K, "a sample of a class-sorted list holds every class"
    again, other = fitted(NNGuide).score(TEST), fitted(NNGuide, seed=1).score(TEST)
    assert torch.equal(fitted(NNGuide).score(TEST), again) and not torch.equal(other, again)


def test_fdbd_equals_the_peer_and_a_loop():
    ours = fitted(FDBD).score(TEST)
    theirs = peer.fDBD(None, linear(HEAD)).fit_features(TRAIN)
    torch.testing.assert_close(ours, theirs.predict_features(TEST.float()).double(), rtol=1e-4, atol=1e-4)
    for x, found in zip(TEST[:9], ours, strict=False):
        z = HEAD(x)
        best = int(z.argmax())
        ratios = [
            (z[best] - z[c]) / (HEAD.weight[best] - HEAD.weight[c]).norm() for c in range(K) if c != best
        ]
        expected = -sum(ratios) / (K - 1) / (x - TRAIN.mean(0)).norm()
        assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    assert fitted(FDBD).score(TRAIN.mean(0, keepdim=True)).isfinite().all()


def test_gradnorm_equals_the_peer_and_autograd():
    ours = fitted(GradNorm).score(TEST)
    theirs = peer.GradNorm(linear(HEAD), param_filter=lambda name: name == "weight").predict(TEST.float())
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-4, atol=1e-5)
    weight = HEAD.weight.clone().requires_grad_()
    for x, found in zip(TEST[:5], ours, strict=False):
        loss = -(weight @ x + HEAD.bias).log_softmax(0).mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        assert found.item() == pytest.approx(-gradient.abs().sum().item(), rel=1e-9)


class Classifier(nn.Module):
    """A convolution, a dropout layer, pooling and a linear head that names itself."""

    feature_layers = ("relu", "pool")
    latent_layer = "drop"
    head_layer = "head"

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.drop = nn.Conv2d(3, D, 3), nn.ReLU(), nn.Dropout2d(0.3)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(D, K)

    def forward(self, x):
        return self.head(self.pool(self.drop(self.relu(self.conv(x)))).flatten(1))


def model_info(head=None, task="classification"):
    return ModelInfo(task, K, ("relu", "pool"), "drop", STD, mc_samples=4, head=head)


@pytest.fixture(scope="module")
def measured():
    torch.manual_seed(0)
    network = Classifier().eval()
    shades = torch.rand(80, 3, 1, 1)
    x = shades + 0.3 * torch.randn(80, 3, 8, 8)
    keys = [str(i) for i in range(80)]
    whole = model_info(Head.of(network))
    with OnePass(network, standard_probes(whole)) as run:
        found = run(x, keys)
    labels = found["logits"].argmax(1)
    labels[:20] = torch.arange(20) % K
    return network, whole, x, Activations({**found, "labels": labels}, keys)


@pytest.mark.parametrize("kind", [*ALL, LaRD, LaRDMahalanobis])
def test_life_of_a_detector(kind, measured, tmp_path):
    """One pass; scores do not hang on order or batch mates; a saved monitor gives the same without the head."""
    network, whole, x, train = measured
    detector = kind().attach(whole)
    assert {probe.name for probe in (*detector.fit_probes(), *detector.probes())} <= set(train)
    detector.fit(train).calibrate(train)
    scores = detector.score(train)
    assert scores.dtype == torch.float64 and scores.shape == (80,) and scores.isfinite().all()
    assert len(scores.unique()) > 40

    order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(detector.score(train.select(order)), scores[order], rtol=1e-9, atol=1e-9)
    alone = torch.cat([detector.score(train.select(torch.tensor([i]))) for i in range(80)])
    torch.testing.assert_close(alone, scores, rtol=1e-9, atol=1e-9)

    again = kind.from_state(detector.state(), **detector.get_params()).attach(whole)
    torch.testing.assert_close(again.score(train), scores, rtol=0, atol=0)
    Monitor(network, detector, 0.0, 0.05, 80).save(tmp_path / "monitor")
    found, _ = Monitor.load(tmp_path / "monitor", network)(x[:20])
    torch.testing.assert_close(found, scores[:20], rtol=1e-3, atol=1e-4)

    with pytest.raises(ValueError, match=r"the input has 3 columns, the fit set had \d+"):
        detector.score(torch.zeros(2, 3))


@pytest.mark.parametrize("kind", ALL)
def test_far_features_are_more_anomalous(kind):
    """A mirrored copy of the fit images: no class explains it."""
    detector = fitted(kind)
    inside, outside = detector.score(draw(100, 2)[0]), detector.score(-draw(100, 3)[0])
    if kind in (GradNorm, NNGuide):  # these two take what is strong, whatever its sign, for known
        outside = detector.score(0.1 * draw(100, 3)[0])
    if kind is PNML:  # it takes directions of the fit images for known, whatever the sign
        outside = detector.score(torch.randn(100, D, generator=torch.Generator().manual_seed(3)))
    assert (outside[:, None] > inside).double().mean() > 0.9


def test_logits_of_the_head_are_the_networks(measured):
    _, whole, _, train = measured
    detector = ViM().attach(whole).fit(train)
    torch.testing.assert_close(
        detector._logits(train["pooled.pool"]).float(), train["logits"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", WITH_HEAD)
def test_without_a_linear_last_layer(kind):
    with pytest.raises(ValueError, match=f"{kind.name} needs a classifier with a linear last layer"):
        kind().attach(model_info(None, "classification"))
    if kind is ViM:  # pixels have logits of their own
        assert kind().attach(model_info(None, "segmentation")).pixel_fit_probes()
        return
    with pytest.raises(ValueError, match=f"{kind.name} needs a classifier with a linear last layer"):
        kind().attach(model_info(None, "segmentation"))


@pytest.mark.parametrize(
    "kind", [KNN, CMD, CoP, CoRP, DDU, MDSPlusPlus, NECO, Residual, LaRD, LaRDMahalanobis]
)
def test_segmentation_features_are_one_class(kind, measured):
    _, _, _, train = measured
    dense = Activations({**train, "labels": torch.full((80,), -1)}, train.ids)
    detector = kind().attach(model_info(None, "segmentation")).fit(dense)
    assert detector.score(dense).isfinite().all()


@pytest.mark.parametrize("kind", [KNN, RelativeMahalanobis, CMD, CoP, CoRP, DDU, MDSPlusPlus, RMDSPlusPlus])
def test_another_layer(kind, measured):
    _, whole, _, train = measured
    detector = kind(layer="drop").attach(whole)
    assert [probe.name for probe in detector.probes()] == ["pooled.drop"]
    assert kind.from_state(detector.fit(train).state(), **detector.get_params()).layer == "drop"
    with pytest.raises(ValueError, match="no layer 'stem'; there are: relu, pool, drop"):
        kind(layer="stem").attach(whole)


def test_lard_is_lared_on_latent_means(measured):
    _, whole, _, train = measured
    means = train["pooled.drop"]
    for kind, base in ((LaRD, LaRED), (LaRDMahalanobis, LaREM)):
        ours = kind().attach(whole).fit(train).calibrate(train).score(train)
        torch.testing.assert_close(ours, base().fit(means).calibrate(means).score(means), rtol=0, atol=0)


def test_bad_parameters_are_named():
    for wrong, message in (
        (lambda: KNN(0), "k must be at least 1, got 0"),
        (lambda: NNGuide(k=0), "k must be at least 1, got 0"),
        (lambda: NNGuide(alpha=0), r"alpha must be in \(0, 1\], got 0"),
        (lambda: DDU(0), "ridge must be positive, got 0"),
        (lambda: ViM().fit(TRAIN), "attach"),
        (
            lambda: fitted(KNN).score(torch.full((1, D), torch.nan)),
            "knn: the input holds NaN or infinity in row 0",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
