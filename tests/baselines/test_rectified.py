"""ReAct, DICE, ASH, SCALE and RAS: pytorch-ood 0.4 on 1 x 1 maps, float64 loops written out, identity with energy."""

import math

import pytest
import torch
from pytorch_ood import detector as peer
from torch import nn

from baselines import ASHB, ASHP, ASHS, DICE, LTS, RAS, SCALE, VRA, DICEReAct, OptFS, ReAct
from lsood import Activations, Head, ModelInfo, OnePass

DIMENSION, CLASSES = 37, 6


def uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


HEAD = Head(uniform(CLASSES, DIMENSION, seed=0).double() - 0.4, uniform(CLASSES, seed=1).double())
MODEL_INFO = ModelInfo("classification", CLASSES, ("relu",), "drop", (1.0,), head=HEAD)
WRITTEN_OUT = [ReAct, DICE, DICEReAct, ASHP, ASHB, ASHS, SCALE, RAS]
ALL = [*WRITTEN_OUT, LTS, OptFS, VRA]


def features(n, seed):
    """Like pooled maps after a ReLU: not negative, some units silent, some images of large scale."""
    x = (4 * uniform(n, DIMENSION, seed=seed) - 1.5).clamp_min(0)
    return x * (1 + 3 * uniform(n, 1, seed=seed + 100))


TRAIN, HELD_OUT, TEST = features(200, 2), features(90, 3), features(50, 4)


def made(kind, **options):
    return kind(**options).attach(MODEL_INFO).fit(TRAIN).calibrate(HELD_OUT)


def energy(x):
    return -HEAD(x).logsumexp(1)


def head32(maps):
    """The head as the peer calls it, on (B, D, 1, 1) maps."""
    return maps.flatten(1) @ HEAD.weight.float().T + HEAD.bias.float()


def theirs(kind):
    maps = {"backbone": nn.Identity(), "head": head32}
    x = TEST[..., None, None]
    if kind is ReAct:
        known = torch.zeros(len(HELD_OUT))
        fitted = peer.ReAct(**maps, percentile=0.9).fit_feature_maps(HELD_OUT[..., None, None], known)
        return fitted.predict_feature_maps(x)
    if kind is DICE:
        reference = peer.DICE(None, HEAD.weight, HEAD.bias.float(), p=0.9)
        return reference.fit_features(TRAIN, torch.zeros(len(TRAIN))).predict_features(TEST)
    if kind is SCALE:
        return peer.SCALE(**maps, percentile=0.85).predict_feature_maps(x)
    return peer.ASH(**maps, variant=kind.name, percentile=0.9).predict_feature_maps(x)


@pytest.mark.parametrize("kind", [ReAct, DICE, ASHP, ASHB, ASHS, SCALE])
def test_equals_the_peer(kind):
    torch.testing.assert_close(made(kind).score(TEST), theirs(kind).double(), rtol=1e-5, atol=1e-5)


def by_hand(kind, row, clip):
    """One image's rectified features, in plain Python."""
    f = row.tolist()
    n, total = len(f), math.fsum(f)
    if issubclass(kind, ReAct):
        return [min(v, clip) for v in f]
    if kind is DICE:
        return f
    if kind is RAS:
        fitted = zip(*(sorted(g) for g in TRAIN.double().tolist()), strict=True)
        curve = [math.fsum(column) / len(TRAIN) for column in fitted]
        ranks = sorted(range(n), key=lambda i: (f[i], i))
        return [curve[ranks.index(i)] for i in range(n)]
    k = n - round(n * (0.85 if kind is SCALE else 0.9))
    kept = sorted(range(n), key=lambda i: (-f[i], i))[:k]
    mass = math.fsum(f[i] for i in kept)
    if kind is SCALE:
        return [v * math.exp(total / mass) for v in f]
    value = {ASHP: lambda v: v, ASHB: lambda v: total / k, ASHS: lambda v: v * math.exp(total / mass)}[kind]
    return [value(v) if i in kept else 0.0 for i, v in enumerate(f)]


@pytest.mark.parametrize("kind", WRITTEN_OUT, ids=lambda kind: kind.name)
def test_equals_the_formula_written_out(kind):
    ordered = HELD_OUT.double().flatten().sort().values
    place = 0.9 * (len(ordered) - 1)
    low = int(place)
    clip = float(ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]))
    weight = HEAD.weight
    if issubclass(kind, DICE):
        contribution = weight * TRAIN.double().mean(0)
        weight = torch.where(contribution > contribution.flatten().quantile(0.9), weight, 0.0)
        assert (weight != 0).sum() == 23  # ranks 200 to 222 lie above place 198.9
    for row, score in zip(TEST.double(), made(kind).score(TEST), strict=True):
        z = [
            math.fsum(w * v for w, v in zip(ws, by_hand(kind, row, clip), strict=True)) + b
            for ws, b in zip(weight.tolist(), HEAD.bias.tolist(), strict=True)
        ]
        log_sum = max(z) + math.log(math.fsum(math.exp(v - max(z)) for v in z))
        assert score.item() == pytest.approx(-log_sum, rel=1e-10)


@pytest.mark.parametrize(("kind", "off"), [(DICE, {"p": 0}), (ASHP, {"percentile": 0})])
def test_switched_off_it_is_energy_to_the_last_bit(kind, off):
    detector = made(kind, **off)
    assert torch.equal(detector.score(TEST), energy(TEST))
    assert not torch.allclose(made(kind).score(TEST), energy(TEST))


def test_an_infinite_clip_or_one_at_the_maximum_is_energy_to_the_last_bit():
    detector = made(ReAct)
    assert not torch.equal(detector.score(TEST), energy(TEST))
    detector.clip_ = math.inf
    assert torch.equal(detector.score(TEST), energy(TEST))
    assert torch.equal(made(ReAct, percentile=100).calibrate(TEST).score(TEST), energy(TEST))


def test_dice_react_with_one_part_off_is_the_other():
    assert torch.equal(made(DICEReAct, p=0).score(TEST), made(ReAct).score(TEST))
    without_clip = made(DICEReAct, percentile=100).calibrate(TEST)
    assert torch.equal(without_clip.score(TEST), made(DICE).score(TEST))


def test_ash_s_and_scale_without_pruning_are_the_same_and_not_energy():
    scale, ash = made(SCALE, percentile=0).score(TEST), made(ASHS, percentile=0).score(TEST)
    torch.testing.assert_close(scale, ash, rtol=1e-12, atol=0)
    torch.testing.assert_close(scale, energy(math.e * TEST.double()), rtol=1e-12, atol=0)


def test_the_clip_comes_from_validation_images():
    fitted = ReAct().attach(MODEL_INFO).fit(TRAIN)
    before = fitted.clip_
    assert fitted.calibrate(3 * HELD_OUT).clip_ > 2 * before


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_state_needs_no_network(kind):
    detector = made(kind)
    loaded = kind.from_state(detector.state(), **detector.get_params())
    loaded.attach(ModelInfo("classification", CLASSES, ("relu",), "drop", (1.0,)))
    assert torch.equal(loaded.score(TEST), detector.score(TEST))
    with pytest.raises(ValueError, match="attach model information with a head"):
        loaded.fit(TRAIN)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_rows_by_themselves_in_any_order_and_untouched(kind):
    detector, before = made(kind), TEST.clone()
    alone = torch.cat([detector.score(row[None]) for row in TEST])
    order = torch.randperm(len(TEST), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(detector.score(TEST[order]), alone[order], rtol=1e-12, atol=0)
    assert torch.equal(TEST, before)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not RAS], ids=lambda kind: kind.name)
def test_a_dead_image_scores_the_bias(kind):
    score = made(kind).score(torch.zeros(1, DIMENSION))
    assert score.item() == pytest.approx(-HEAD.bias.logsumexp(0).item())


def test_it_reads_the_penultimate_layer_of_the_pass(tiny):
    network = tiny()
    head = Head(network.head.weight.flatten(1).double().detach(), network.head.bias.double().detach())
    model_info = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (1.0,) * 3, head=head)
    detector, x, keys = ReAct(100).attach(model_info), uniform(8, 3, 16, 16, seed=0), list("abcdefgh")
    with OnePass(network, detector.probes()) as run:
        found = Activations(run(x, keys), keys)
    with torch.no_grad():
        expected = -network(x).logsumexp(1)
    torch.testing.assert_close(detector.fit(found).score(found).float(), expected, rtol=1e-5, atol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"percentile must lie in 0 to 100 \(percent\), got 101"):
        ReAct(101)
    with pytest.raises(ValueError, match=r"p must lie in 0 to 100 \(percent\), got -1"):
        DICE(-1)
    with pytest.raises(ValueError, match="ash-b needs a classifier that names its last linear layer"):
        ASHB().attach(ModelInfo("segmentation", 4, ("relu",), "drop", (1.0,)))
    with pytest.raises(ValueError, match="scale: the features has 5 columns, the fit set had 37"):
        made(SCALE).score(torch.zeros(2, 5))
