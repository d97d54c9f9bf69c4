"""LTS, VRA, OptFS and Catalyst: pytorch-ood 0.4, float64 loops written out, identities with energy."""

import math

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from torch import nn

from baselines import LTS, SCALE, VRA, Catalyst, OptFS
from benchmarks.levels.object import ObjectLevel, object_model_info
from lsood import Activations, Head, ModelInfo, Monitor, OnePass
from lsood.methods import create
from lsood.probes.channels import ChannelStatistics

D, K = 37, 6


def uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


HEAD = Head(uniform(K, D, seed=0).double() - 0.4, uniform(K, seed=1).double())
MODEL_INFO = ModelInfo("classification", K, ("relu",), "drop", (1.0,), head=HEAD)


def features(n, seed, below=0.0):
    """Like pooled maps, cut at ``below``; images differ in scale."""
    x = (4 * uniform(n, D, seed=seed) - 1.5).clamp_min(below)
    return x * (1 + 3 * uniform(n, 1, seed=seed + 100))


TRAIN, TEST = features(200, 2), features(50, 4)
SIGNED_TRAIN, SIGNED = features(200, 2, -1.5), features(50, 4, -1.5)


def made(kind, train=TRAIN, **options):
    return kind(**options).attach(MODEL_INFO).fit(train)


def energy(x):
    return -HEAD(x).logsumexp(1)


def log_sum_exp(z):
    return max(z) + math.log(math.fsum(math.exp(v - max(z)) for v in z))


def logits(f):
    rows = zip(HEAD.weight.tolist(), HEAD.bias.tolist(), strict=True)
    return [math.fsum(w * v for w, v in zip(ws, f, strict=True)) + b for ws, b in rows]


def head32(maps):
    return maps.flatten(1) @ HEAD.weight.float().T + HEAD.bias.float()


@pytest.mark.parametrize("x", [TEST, SIGNED], ids=["relu", "signed"])
def test_lts_equals_the_peer_and_a_loop(x):
    ours = made(LTS).score(x)
    theirs = peer.LTS(None, head32, p=0.05).predict_features(x)
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-5, atol=1e-4)
    for row, found in zip(x.double().tolist(), ours, strict=True):
        positive = sorted((max(v, 0.0) for v in row), reverse=True)
        s = (math.fsum(positive) / math.fsum(positive[:2])) ** 2  # 37 - round(35.15)
        assert found.item() == pytest.approx(-log_sum_exp([s * v for v in logits(row)]), rel=1e-10)


def test_lts_of_all_features_is_energy_and_a_scale_changes_the_logits_alone():
    torch.testing.assert_close(made(LTS, percentile=0).score(TEST), energy(TEST), rtol=1e-12, atol=0)
    assert not torch.allclose(made(LTS).score(TEST), energy(TEST))
    with pytest.raises(ValueError, match=r"percentile must lie in 0 to 100 \(percent\), got 101"):
        LTS(101)


def shaped(form, row, bounds):
    pairs = zip(row, bounds, strict=True)
    if form == "clip":
        return [min(max(v, low), high) for v, (low, high) in pairs]
    return [0.0 if v < low else min(v, high) for v, (low, high) in pairs]


@pytest.mark.parametrize("per_dimension", [True, False])
@pytest.mark.parametrize("form", ["zero", "clip"])
def test_vra_equals_a_loop(form, per_dimension):
    detector = made(VRA, SIGNED_TRAIN, form=form, low=20, high=90, per_dimension=per_dimension)
    columns = SIGNED_TRAIN.double().T if per_dimension else SIGNED_TRAIN.double().reshape(1, -1).expand(D, -1)
    bounds = [(float(c.quantile(0.2)), float(c.quantile(0.9))) for c in columns]
    assert len(set(bounds)) == (D if per_dimension else 1)
    for row, found in zip(SIGNED.double().tolist(), detector.score(SIGNED), strict=True):
        expected = -log_sum_exp(logits(shaped(form, row, bounds)))
        assert found.item() == pytest.approx(expected, rel=1e-9)


def test_vra_clipped_equals_the_peer():
    ours = made(VRA, SIGNED_TRAIN, form="clip", low=1, high=99).score(SIGNED)
    theirs = peer.VRA(nn.Identity(), head32).fit_feature_maps(SIGNED_TRAIN, torch.zeros(len(SIGNED_TRAIN)))
    torch.testing.assert_close(ours, theirs.predict_feature_maps(SIGNED).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["zero", "clip"])
def test_vra_with_infinite_bounds_is_energy_to_the_last_bit(form):
    detector = made(VRA, form=form)
    assert not torch.equal(detector.score(SIGNED), energy(SIGNED))
    detector.low_, detector.high_ = torch.full((D,), -math.inf).double(), torch.full((D,), math.inf).double()
    assert torch.equal(detector.score(SIGNED), energy(SIGNED))
    widest = made(VRA, SIGNED, form=form, low=0, high=100)
    assert torch.equal(widest.score(SIGNED), energy(SIGNED))


def test_vra_is_typed_with_its_form_and_bad_arguments_are_named():
    typed = create("vra@form=clip,low=10,high=90,per_dimension=False")
    assert typed.get_params() == {"form": "clip", "low": 10, "high": 90, "per_dimension": False}
    assert create("vra@clip").form == "clip"
    for arguments, message in (
        ({"form": "cut"}, "form must be one of zero, clip, got 'cut'"),
        ({"low": 90, "high": 10}, "low must not exceed high, got 90 and 10"),
        ({"high": 101}, r"high must lie in 0 to 100 \(percent\), got 101"),
    ):
        with pytest.raises(ValueError, match=message):
            VRA(**arguments)


@pytest.mark.parametrize("form", ["energy", "vanilla"])
@pytest.mark.parametrize(("train", "test"), [(TRAIN, TEST), (SIGNED_TRAIN, SIGNED)], ids=["relu", "signed"])
def test_optfs_equals_bins_by_masks(train, test, form):
    """As the paper has it: for every bin the features outside of it are masked, image by image."""
    detector = made(OptFS, train, form=form)
    x, w, b = train.double().numpy(), HEAD.weight.numpy(), HEAD.bias.numpy()
    low, high = np.quantile(x, [1e-3, 1 - 1e-3])
    width = (high - low) / 100
    bins = [(low + i * width, low + (i + 1) * width) for i in range(100)]
    contribution = w[(x @ w.T + b).argmax(1)] * x
    theta = np.array([(contribution * ((x >= start) & (x < end))).sum(1).mean() for start, end in bins])
    theta *= 1000 / np.linalg.norm(theta)
    np.testing.assert_allclose(detector.theta_, theta, rtol=1e-9, atol=1e-12)
    y = test.double().numpy()
    assert ((y < low) | (y > high)).any() or form == "vanilla"
    f = sum(t * y * ((y >= start) & (y < end)) for t, (start, end) in zip(theta, bins, strict=True))
    if form == "energy":
        expected = [-log_sum_exp(logits(row)) for row in f.tolist()]
    else:
        expected = -(w[(y @ w.T + b).argmax(1)] * f).sum(1)
    np.testing.assert_allclose(detector.score(test), expected, rtol=1e-9)


def test_optfs_blocks_change_nothing_and_theta_1_is_energy_to_the_last_bit(monkeypatch):
    whole = made(OptFS)
    monkeypatch.setattr("baselines.features.optfs.CHUNK", 7 * D)
    torch.testing.assert_close(made(OptFS).theta_, whole.theta_, rtol=1e-10, atol=1e-12)
    assert whole.theta_.norm() == pytest.approx(1000)
    whole.theta_ = torch.ones(100).double()
    whole.edges_ = torch.linspace(float(TEST.min()), float(TEST.max()) + 1, 101).double()
    assert torch.equal(whole.score(TEST), energy(TEST))


def test_optfs_refuses_what_cannot_be_shaped():
    with pytest.raises(
        ValueError, match="nearly all features of the fit set are 2; there is nothing to shape"
    ):
        made(OptFS, torch.full((40, D), 2.0))
    with pytest.raises(ValueError, match="form must be one of energy, vanilla, got 'msp'"):
        OptFS("msp")


class Classifier(nn.Module):
    """Two maps, pooling, a linear head that names itself."""

    feature_layers = ("first", "last", "pool")
    latent_layer = "drop"
    head_layer = "head"

    def __init__(self):
        super().__init__()
        self.conv1, self.first, self.drop = nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Dropout2d(0.3)
        self.conv2, self.last = nn.Conv2d(5, 8, 3), nn.ReLU()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, K)

    def forward(self, x):
        return self.head(self.pool(self.last(self.conv2(self.drop(self.first(self.conv1(x)))))).flatten(1))


def seen(network, layers, n=40, side=10):
    """What Catalyst needs of n images, and the maps of the layer "last"."""
    head = Head.of(network)
    info = ModelInfo("classification", K, layers, "drop", (1.0,) * 3, head=head, head_layer="head")
    x, keys = 3 * uniform(n, 3, side, side, seed=7) - 1, [str(i) for i in range(n)]
    probes = Catalyst().attach(info).probes()
    with OnePass(network, probes) as run, torch.no_grad():
        found = Activations(run(x, keys), keys)
        assert run.forwarded == {"shared_pass": n}
        maps = network.last(network.conv2(network.first(network.conv1(x))))
    return info, found, maps.double(), x


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return Classifier().eval()


def test_channel_statistics_are_of_the_deepest_map(classifier):
    _, found, maps, _ = seen(classifier, ("first", "last", "pool"))
    flat = maps.flatten(2)
    expected = torch.stack([flat.mean(2), flat.std(2, unbiased=True), flat.amax(2)], dim=1)
    name = ChannelStatistics(("first", "last", "pool")).name
    assert name == "channels.first+last+pool" and found[name].shape == (40, 3, 8)
    torch.testing.assert_close(found[name].double(), expected, rtol=1e-4, atol=1e-5)
    shallow = ChannelStatistics(("first", "pool"))
    with OnePass(classifier, [shallow]) as run:
        assert run(torch.zeros(2, 3, 10, 10), ["a", "b"])[shallow.name].shape == (2, 3, 5)


@pytest.mark.parametrize(("statistic", "column"), [("mean", 0), ("std", 1), ("max", 2)])
@pytest.mark.parametrize("clip", [None, 0.08])
def test_catalyst_equals_a_loop(classifier, statistic, column, clip):
    info, found, maps, _ = seen(classifier, ("first", "last", "pool"))
    detector = Catalyst(statistic, percentile=70, clip=clip).attach(info).fit(found)
    flat = maps.flatten(2)
    values = (flat.mean(2), flat.std(2), flat.amax(2))[column]
    most = clip or float(values.flatten().quantile(0.7))
    assert (values > most).any() and (values < most).any()
    z = info.head(flat.mean(2))
    for row, logit, score in zip(values.tolist(), z.tolist(), detector.score(found), strict=True):
        scale = math.fsum(min(max(v, 0.0), most) for v in row) / len(row)
        assert score.item() == pytest.approx(-log_sum_exp(logit) * scale, rel=1e-4)


def test_catalyst_of_equal_statistics_is_energy(classifier):
    info, found, _, _ = seen(classifier, ("last",))
    name = ChannelStatistics(("last",)).name
    same = Activations({**found, name: torch.ones_like(found[name])}, found.ids)
    detector = Catalyst("max").attach(info).fit(same)
    z = info.head(found["pooled.last"])
    torch.testing.assert_close(detector.score(same), -z.logsumexp(1), rtol=1e-12, atol=0)


def test_catalyst_lives_without_batch_mates_or_the_network(classifier, tmp_path):
    info, found, _, x = seen(classifier, ("first", "last", "pool"))
    detector = Catalyst().attach(info).fit(found)
    scores = detector.score(found)
    alone = torch.cat([detector.score(found.select(torch.tensor([i]))) for i in range(len(x))])
    torch.testing.assert_close(alone, scores, rtol=1e-12, atol=0)
    again = Catalyst.from_state(detector.state(), **detector.get_params()).attach(info)
    assert torch.equal(again.score(found), scores)
    Monitor(classifier, detector, 0.0, 0.05, 40).save(tmp_path / "monitor")
    watched, _ = Monitor.load(tmp_path / "monitor", classifier)(x[:10])
    torch.testing.assert_close(watched, scores[:10], rtol=1e-4, atol=1e-5)


def test_catalyst_says_what_it_lacks(classifier, detector):
    with pytest.raises(ValueError, match="none of the feature layers pool gives a map with more than one"):
        seen(classifier, ("pool",))
    with pytest.raises(ValueError, match="pooled features alone do not hold the map's statistics"):
        made(Catalyst)
    with pytest.raises(ValueError, match="catalyst needs a classifier that names its last linear layer"):
        Catalyst().attach(ModelInfo("segmentation", K, ("relu",), "drop", (1.0,)))
    for wrong, message in (({"statistic": "median"}, "one of mean, std, max, got 'median'"),
                           ({"clip": 0}, "clip must be positive, got 0")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Catalyst(**wrong)
    network = detector()
    info = object_model_info(network, ModelInfo("detection", 3, network.feature_layers, "", (1.0,) * 3))
    level = ObjectLevel(None, info)
    assert "not measured for single objects" in level.unsupported(Catalyst().attach(info))
    for kind in (LTS, OptFS, VRA, SCALE):
        assert level.unsupported(kind().attach(info)) is None
