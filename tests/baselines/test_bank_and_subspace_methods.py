"""Relation, ActSub and pNML: pytorch-ood 0.4 where it has the method, float64 loops written out, identities."""

import math

import numpy as np
import pytest
import torch
from pytorch_ood import detector as peer
from torch import nn

from baselines import PNML, SCALE, ActSub, NNGuide, Relation
from lsood import Head, ModelInfo

D, K = 12, 4


def draw(n, seed, width=D):
    """Features of K classes, not negative, some zero; images differ in scale."""
    random = torch.Generator().manual_seed(seed)
    means = 2 * torch.randn(K, width, generator=torch.Generator().manual_seed(99)).double()
    x = means[torch.arange(n) % K] + torch.randn(n, width, generator=random).double() + 0.5
    return x.clamp_min(0) * (1 + 2 * torch.rand(n, 1, generator=random).double())


TRAIN, TEST = draw(150, 0), draw(40, 1)
RANDOM = torch.Generator().manual_seed(5)
HEAD = Head(
    torch.randn(K, D, generator=RANDOM).double() / 3,
    torch.randn(K, generator=RANDOM).double().float().double(),
)


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def logits(f):
    return HEAD.weight.numpy() @ f + HEAD.bias.numpy()


@pytest.mark.parametrize("power", [1, 4])
def test_relation_equals_a_loop(power):
    detector = Relation(power).fit(TRAIN, head=HEAD)
    kept = 0
    for f, score in zip(TEST[:10].numpy(), detector.score(TEST), strict=False):
        total = 0.0
        for g in TRAIN.numpy():
            cosine = f @ g / math.sqrt(f @ f + 1e-10) / math.sqrt(g @ g + 1e-10)
            relation = max(0.0, cosine) * (softmax(logits(f)) @ softmax(logits(g)))
            total += relation**power if relation > 0.03 else 0.0
            kept += relation > 0.03
        assert score.item() == pytest.approx(-total, rel=1e-9)
    assert 0 < kept < 1500, "some relations lie below the threshold"


def test_relation_in_blocks_of_queries_is_the_same(monkeypatch):
    """Without more than two blocks of pairs in memory at a time."""
    whole = Relation().fit(TRAIN, head=HEAD).score(TEST)
    monkeypatch.setattr("baselines.features.relation.CHUNK", 7 * len(TRAIN))
    shapes, plain = [], Relation._relation

    def relation(self, unit, p):
        found = plain(self, unit, p)
        shapes.append(tuple(found.shape))
        return found

    monkeypatch.setattr(Relation, "_relation", relation)
    torch.testing.assert_close(Relation().fit(TRAIN, head=HEAD).score(TEST), whole, rtol=1e-12, atol=0)
    assert shapes == [(7, 150)] * 5 + [(5, 150)]
    monkeypatch.setattr("baselines.features.relation.CHUNK", 1)
    torch.testing.assert_close(Relation().fit(TRAIN, head=HEAD).score(TEST), whole, rtol=1e-12, atol=0)


def test_relation_of_a_certain_image_to_itself_is_1():
    head = Head(100 * torch.eye(2).double(), torch.zeros(2).double())
    bank = torch.tensor([[1.0, 0.0]])
    detector = Relation().fit(bank, head=head)
    found = detector.score(torch.tensor([[3.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([-1.0, 0, 0, 0]).double(), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="power must be positive, got 0"):
        Relation(0)


def decomposed(weight, train):
    """The authors' search over projections, k from 1 to the rank, in numpy."""
    axes = np.linalg.svd(weight)[2]
    gaps = []
    for k in range(1, min(np.linalg.matrix_rank(weight), weight.shape[1] - 1) + 1):
        decisive, rest = (train @ part.T @ part for part in (axes[:k], axes[k:]))
        gaps.append(abs(np.linalg.norm(decisive, axis=1).mean() - np.linalg.norm(rest, axis=1).mean()))
    k = int(np.argmin(gaps)) + 1
    return axes[:k].T @ axes[:k], axes[k:].T @ axes[k:], k


@pytest.mark.parametrize("width", [D, K])
def test_actsub_equals_projections_written_out(width):
    """Fewer classes than features, and as many."""
    train, test = draw(150, 0, width) + 0.1, draw(40, 1, width) + 0.1
    head = Head(torch.randn(K, width, generator=torch.Generator().manual_seed(4)).double(), HEAD.bias)
    detector = ActSub(power=2, percentile=50).fit(train, head=head)
    decisive, rest, k = decomposed(head.weight.numpy(), train.numpy())
    assert (
        k + 1 < width
        and detector.decisive_.shape == (width, k)
        and detector.rest_.shape == (width, width - k)
    )
    bank = train.numpy() @ rest
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    for f, score in zip(test.numpy(), detector.score(test), strict=True):
        d, r = decisive @ f, rest @ f
        kept = np.sort(d)[::-1][: width - round(width * 0.5)]
        z = head.weight.numpy() @ (d * np.exp(d.sum() / kept.sum())) + head.bias.numpy()
        cosine = np.sort(bank @ r / np.linalg.norm(r))[-10:].mean()
        likeness = -math.log(1 - max(cosine, 0))
        expected = -(z.max() + np.log(np.exp(z - z.max()).sum())) * likeness**2
        assert score.item() == pytest.approx(expected, rel=1e-8)


def test_actsub_without_the_rest_is_scale_of_the_decisive_part():
    detector = ActSub(power=0, percentile=60).fit(TRAIN, head=HEAD)
    info = ModelInfo("classification", K, ("relu",), "", (1.0,), head=HEAD)
    projection = detector.decisive_ @ detector.decisive_.T
    scale = SCALE(60).attach(info).fit(TRAIN)
    torch.testing.assert_close(detector.score(TEST), scale.score(TEST @ projection), rtol=1e-12, atol=0)


def test_actsub_never_splits_where_the_svd_leaves_the_axes_open():
    """Features beside the rows of W: with every k up to D the gap is least beyond the rank."""
    weight = torch.zeros(K, D).double()
    weight[:2, :2] = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    train = torch.rand(60, D, generator=torch.Generator().manual_seed(0)).double()
    detector = ActSub().fit(train, head=Head(weight, HEAD.bias))
    assert detector.decisive_.shape == (D, 2)
    z = train @ detector.decisive_ @ detector.decisive_.T @ weight.T
    torch.testing.assert_close(z, train @ weight.T)
    with pytest.raises(ValueError, match=r"weights \(4 x 12\) have no two subspaces"):
        ActSub().fit(train, head=Head(torch.zeros(K, D).double(), HEAD.bias))


def test_actsub_is_finite_for_copies_opposites_and_nothing():
    copies = TRAIN[:1].repeat(20, 1) * torch.arange(1, 21)[:, None]
    detector = ActSub(power=0.5).fit(copies, head=HEAD)
    found = detector.score(torch.cat([copies[:1], -copies[:1], torch.zeros(1, D).double()]))
    assert found.isfinite().all() and found[1:].tolist() == [0.0, 0.0]
    for arguments, message in (
        ({"power": -1}, "power must not be negative, got -1"),
        ({"percentile": 101}, r"percentile must lie in 0 to 100 \(percent\), got 101"),
    ):
        with pytest.raises(ValueError, match=message):
            ActSub(**arguments)


def test_actsub_and_nnguide_share_blocks_that_change_nothing(monkeypatch):
    kinds = (ActSub, NNGuide)
    whole = [kind().fit(TRAIN, head=HEAD).score(TEST) for kind in kinds]
    for module in ("actsub", "nnguide"):
        monkeypatch.setattr(f"baselines.features.{module}.CHUNK", 1000)
    for kind, expected in zip(kinds, whole, strict=True):
        torch.testing.assert_close(kind().fit(TRAIN, head=HEAD).score(TEST), expected, rtol=1e-9, atol=1e-12)


def linear(head):
    layer = nn.Linear(*head.weight.shape[::-1])
    layer.load_state_dict({"weight": head.weight.float(), "bias": head.bias.float()})
    return layer.requires_grad_(False)


def test_pnml_equals_the_peer_and_a_loop():
    ours = PNML().fit(TRAIN, head=HEAD).score(TEST)
    theirs = peer.PNML(None, linear(HEAD)).fit_features(TRAIN, torch.arange(150) % K)
    torch.testing.assert_close(ours, theirs.predict_features(TEST).double(), rtol=1e-3, atol=1e-6)
    unit = (TRAIN / TRAIN.norm(dim=1, keepdim=True)).numpy()
    inverse = np.linalg.inv(unit.T @ unit)
    for f, found in zip((TEST / TEST.norm(dim=1, keepdim=True)).numpy(), ours, strict=True):
        g = f @ inverse @ f / (1 + f @ inverse @ f)
        p = softmax(logits(f))
        expected = math.log(sum(q / (q + (1 - q) * q**g) for q in p)) / math.log(K)
        assert found.item() == pytest.approx(expected, rel=1e-9)


def test_pnml_is_0_without_leverage_and_keeps_its_digits_where_the_network_is_certain():
    blank = torch.cat([TRAIN, torch.zeros(150, 1).double()], dim=1)
    wide = Head(torch.cat([HEAD.weight, torch.ones(K, 1).double()], dim=1), HEAD.bias)
    beside = torch.zeros(1, D + 1).double()
    beside[0, -1] = 5.0
    assert PNML().fit(blank, head=wide).score(beside).item() == 0
    for factor in (30, 60, 1e4):
        certain = Head(factor * HEAD.weight, HEAD.bias)
        detector = PNML().fit(TRAIN, head=certain)
        found = detector.score(TEST)
        assert found.isfinite().all() and (found >= 0).all()
        if factor < 100:
            assert len(found.unique()) == len(TEST), "no ties"
            best = int(found.argmin())
            f = TEST[best] / TEST[best].norm()
            leverage = float((f @ detector.whitener_).square().sum())
            g = leverage / (1 + leverage)
            z = certain(f)
            p, rest = z.softmax(0), (z[:, None] - z).exp()
            others = [float(p[i]) for i in range(K) if i != int(z.argmax())]
            assert found[best].item() == pytest.approx(
                sum(q ** (1 - g) * (1 - q**g) for q in others) / math.log(K), rel=1e-2
            ), rest


def test_pnml_needs_two_classes_and_says_where_images_are_few(caplog):
    one = Head(HEAD.weight[:1], HEAD.bias[:1])
    with pytest.raises(ValueError, match="pnml needs at least two classes, the last layer has one"):
        PNML().fit(TRAIN, head=one)
    assert PNML().fit(TRAIN[:8], head=HEAD).score(TEST).isfinite().all()
    assert "pnml: fitted on 8 rows, fewer than 12: directions" in caplog.text
    ActSub().fit(TRAIN[:8], head=HEAD)
    assert "actsub: fitted on 8 rows, fewer than 10: all are neighbours" in caplog.text


@pytest.mark.parametrize("kind", [ActSub, PNML, Relation])
def test_only_classifiers_have_the_last_layer(kind):
    for task in ("segmentation", "detection"):
        with pytest.raises(ValueError, match=f"{kind.name} needs a classifier with a linear last layer"):
            kind().attach(ModelInfo(task, K, ("relu",), "", (1.0,)))
