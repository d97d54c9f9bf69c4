"""One pass equals N passes for networks with in-place operations and every kind of dropout, or says why not."""

import pytest
import torch
import torch.nn.functional as F
from dropblock import DropBlock2D
from scipy.stats import ks_2samp
from torch import nn
from torchvision.models import resnet18
from torchvision.ops import DropBlock2d, DropBlock3d, StochasticDepth

from baselines import MSP, MCDropout
from baselines.networks.stochastic import Stochastic
from lsood import Activations, Hook, ModelInfo, OnePass, sample_latents
from lsood.extraction.masks import UnsampledDropout, drop, image_generator, keep_masks
from lsood.extraction.sampling import dropping, sample_latents_by_passes
from lsood.extraction.trunk import trunk_once
from lsood.probes.image import LatentEntropy, Logits, Pooled

KEYS = [str(i) for i in range(20)]


class Block(nn.Module):
    """A residual sum behind the dropout layer: in place, as torchvision's, or not."""

    def __init__(self, in_place):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.drop, self.head, self.in_place = DropBlock2D(0.4, 3), nn.Linear(16, 4), in_place

    def forward(self, x):
        x = torch.relu(self.one(x))
        y = self.drop(self.two(x))
        if self.in_place:
            y += x
            y = torch.relu_(y)
        else:
            y = torch.relu(y + x)
        return self.head(y.mean((2, 3)))


def test_what_happens_in_place_behind_a_layer_does_not_change_what_was_measured_of_it():
    torch.manual_seed(0)
    networks = Block(True).eval(), Block(False).eval()
    networks[1].load_state_dict(networks[0].state_dict())
    probes, found = [LatentEntropy("drop"), Pooled("two"), Pooled("drop")], []
    for network in networks:
        with OnePass(network, probes) as run:
            found.append(run(torch.randn(20, 3, 12, 12, generator=torch.Generator().manual_seed(1)), KEYS))
    assert all(torch.equal(found[0][probe.name], found[1][probe.name]) for probe in probes)


def test_layers_of_torchvisions_residual_network_keep_their_own_values():
    """bn2's output becomes ``out += identity``, then an in-place ReLU."""
    torch.manual_seed(0)
    network, x = resnet18().eval(), torch.randn(2, 3, 32, 32)
    with OnePass(network, [Pooled("layer1.0.bn2"), Pooled("bn1"), Pooled("layer1.0.relu")]) as run:
        found = run(x, ["a", "b"])
    with torch.no_grad():
        stem = network.bn1(network.conv1(x))
        inner = network.maxpool(stem.relu())
        block = network.layer1[0]
        branch = block.bn2(block.conv2(block.bn1(block.conv1(inner)).relu()))
    torch.testing.assert_close(found["pooled.bn1"], stem.mean((2, 3)))
    torch.testing.assert_close(found["pooled.layer1.0.bn2"], branch.mean((2, 3)))
    relu = [(block.bn1(block.conv1(inner))).relu().mean((2, 3)), (branch + inner).relu().mean((2, 3))]
    torch.testing.assert_close(found["pooled.layer1.0.relu"], torch.cat(relu, 1).detach())


def test_a_hook_keeps_the_input_of_a_layer_that_works_in_place():
    layer = nn.ReLU(inplace=True)
    with Hook(layer) as hook:
        layer(input=torch.tensor([-1.0, 2.0])).mul_(10)
    assert hook.input.tolist() == [-1.0, 2.0] and hook.output.tolist() == [0.0, 2.0]
    with torch.inference_mode(), Hook(layer) as hook:
        layer(torch.tensor([-1.0, 2.0])).mul_(10)
    assert hook.input.tolist() == [-1.0, 2.0] and hook.output.tolist() == [0.0, 2.0]


LAYERS = [
    (nn.Dropout1d(0.4), (6, 9)),
    (nn.Dropout1d(0.4), (6,)),
    (nn.Dropout2d(0.4), (6, 5, 5)),
    (nn.Dropout3d(0.4), (6, 3, 4, 5)),
    (nn.Dropout3d(0.4), (6, 4, 5)),
    (nn.AlphaDropout(0.4), (6, 5, 5)),
    (nn.FeatureAlphaDropout(0.4), (6, 5, 5)),
    (nn.FeatureAlphaDropout(0.4), (6,)),
    (DropBlock2d(0.4, 3), (1, 3, 3)),
    (DropBlock2d(0.9, 5), (2, 3, 3)),
]


@pytest.mark.filterwarnings("ignore:dropout2d")
@pytest.mark.filterwarnings("ignore:dropout3d")
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_samples_have_the_distribution_of_the_layer_in_training_mode(layer, shape):
    """2,000 calls at batch size one; whole-map statistics, which see that elements drop together."""
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)) + 0.1
    torch.manual_seed(1)
    layer.train()
    passes = torch.cat([layer(x) for _ in range(2000)])
    masks = keep_masks(layer.eval(), shape, 2000, image_generator("image", 0, "cpu"))
    samples = drop(layer, x, masks)
    for statistic in (lambda v: v[:, 0], lambda v: v.mean(1), lambda v: v.std(1), lambda v: v.max(1).values):
        ours, theirs = (statistic(v.flatten(1)).double().numpy().round(5) for v in (samples, passes))
        assert ks_2samp(ours, theirs, method="asymp").pvalue > 1e-3


def test_a_map_that_torchvisions_layer_drops_is_zero_and_not_drawn_again():
    samples = sample_latents(torch.ones(1, 1, 3, 3), DropBlock2d(0.4, 3), 2000, ["a"])[0]
    assert (samples == 0).float().mean().item() == pytest.approx(0.4, abs=0.04)
    with pytest.raises(
        UnsampledDropout, match=r"odd block sizes only, got 4 \(block_size=7 on a 4x4 map\); use"
    ):
        sample_latents(torch.ones(1, 1, 4, 4), DropBlock2d(0.4, 7), 4, ["a"])
    with pytest.raises(UnsampledDropout, match=r"Dropout1d is given \(6, 9\)"):
        sample_latents(torch.ones(1, 6, 9), nn.Dropout1d(0.4), 4, ["a"])
    with pytest.raises(UnsampledDropout, match=r"DropBlock3d needs feature maps \(C, H, W\)"):
        keep_masks(DropBlock3d(0.4, 3), (1, 4, 4, 4), 4, image_generator("a", 0, "cpu"))


class Net(nn.Module):
    """One dropout: a module, or a function."""

    def __init__(self, drop=None, function=F.dropout):
        super().__init__()
        self.conv, self.drop, self.head = nn.Conv2d(3, 8, 3), drop, nn.Linear(8, 4)
        self.function = function

    def forward(self, x):
        x = self.conv(x).relu()
        x = self.function(x, 0.5, self.training) if self.drop is None else self.drop(x)
        return 4 * self.head(x.mean((2, 3)))


INFO = ModelInfo("classification", 4, ("conv",), "drop", (1.0, 1.0, 1.0))
FUNCTIONS = [F.dropout, F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_monte_carlo_dropout_of_functions_equals_passes_in_training_mode(function):
    torch.manual_seed(0)
    network, x, passes = Net(function=function).eval(), torch.randn(3, 3, 8, 8), 1500
    detector = MCDropout(passes).attach(INFO)
    with OnePass(network, [*detector.probes(), *MSP().attach(INFO).probes()]) as run:
        found = Activations(run(x, list("abc")), list("abc"))
    network.train()
    with torch.no_grad():
        p = torch.stack([network(x).softmax(1) for _ in range(passes)]).double()
    expected = 1 - p.mean(0).amax(1)
    torch.testing.assert_close(detector.score(found), expected, rtol=0, atol=0.02)
    spread = MCDropout(1500).attach(INFO).score(found) - MSP().attach(INFO).score(found)
    assert spread.abs().max() > 1e-3


class Pure(nn.Module):
    def __init__(self, drop):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(3, 4, 3), drop

    def forward(self, x):
        return self.drop(self.conv(x)).mean((2, 3))


class OwnDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return x * (torch.rand_like(x) > self.p) if self.training else x


class Guarded(nn.Module):
    def forward(self, x):
        if self.training:
            x = F.dropout(x, 0.5)
        return x


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(36, 2, dropout=0.1, batch_first=True)

    def forward(self, x):
        x = x.flatten(2)
        return self.inner(x, x, x)[0][..., None]


UNSAMPLED = [
    (OwnDropout(0.5), r"dropout of 'drop': OwnDropout; use nn\.Dropout"),
    (Guarded(), r"dropout of 'drop': Guarded, which calls a dropout function in training mode only"),
    (Attention(), r"dropout of 'drop\.inner': MultiheadAttention\(dropout=0\.1\)"),
    (StochasticDepth(0.5, "row"), "dropout of 'drop': StochasticDepth"),
    (nn.Identity(), "the network has no dropout layer, so every pass is the same"),
]


@pytest.mark.parametrize(("drop", "message"), UNSAMPLED, ids=lambda v: type(v).__name__)
def test_dropout_that_cannot_be_sampled_is_refused_and_costs_its_probe_alone(drop, message):
    network, x = Pure(drop).eval(), torch.randn(2, 3, 8, 8)
    with OnePass(network, [Stochastic(4)]) as run, pytest.raises(UnsampledDropout, match=message):
        run(x, ["a", "b"])
    failed = {}
    with OnePass(network, [Stochastic(4), Logits()], failed=failed) as run:
        for _ in range(2):
            assert set(run(x, ["a", "b"])) == {"logits"}
    name = Stochastic(4).name
    with pytest.raises(ValueError, match=message):
        Activations({}, ["a"], {"failed": failed})[name]


def test_unknown_dropout_behind_the_sampled_layer_does_not_matter_before_it_does():
    torch.manual_seed(0)
    x, probe = torch.rand(2, 3, 8, 8), LatentEntropy("1", 8)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout2d(0.5), nn.Identity()).eval()
    behind = nn.Sequential(plain[0], plain[1], OwnDropout(0.5)).eval()
    before = nn.Sequential(nn.Sequential(OwnDropout(0.5), plain[0]), plain[1]).eval()
    found = []
    for network in (plain, behind):
        with OnePass(network, [probe]) as run:
            found.append(run(x, ["a", "b"])[probe.name])
    assert torch.equal(*found)
    with OnePass(before, [probe]) as run, pytest.raises(UnsampledDropout, match=r"'0\.0': OwnDropout"):
        run(x, ["a", "b"])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in before.modules())


class Twice(nn.Module):
    """One dropout layer called in a row, or side by side."""

    def __init__(self, in_a_row):
        super().__init__()
        self.one, self.two, self.drop = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Dropout2d(0.5)
        self.in_a_row = in_a_row

    def forward(self, x):
        y = self.one(x).relu()
        first = self.drop(y)
        second = self.drop(self.two(first if self.in_a_row else y))
        return first.mean((2, 3)) + second.mean((2, 3))


def test_a_layer_called_twice_in_a_row_is_sampled_by_passes():
    torch.manual_seed(0)
    network, x = Twice(True).eval(), torch.rand(2, 3, 9, 9)
    with OnePass(network, [LatentEntropy("drop", 8)]) as run:
        run(x, ["a", "b"])
    assert run.upstream_random
    assert run.forwarded == {"shared_pass": 2, "preparation": 2, "sampling": 16}
    ours = sample_latents_by_passes(network, x[:1], "drop", 2000, ["a"])[0]
    network.train()
    passes = []
    with torch.no_grad(), Hook(network.drop, network) as hook:
        for _ in range(2000):
            network(x[:1])
            passes.append(torch.cat([call.mean((2, 3)) for call in hook.outputs], 1)[0])
    for column in range(8):
        pair = (v[:, column].numpy().round(5) for v in (ours, torch.stack(passes)))
        assert ks_2samp(*pair, method="asymp").pvalue > 1e-3


def test_a_layer_called_twice_side_by_side_needs_one_pass():
    torch.manual_seed(0)
    network, x = Twice(False).eval(), torch.rand(2, 3, 9, 9)
    with OnePass(network, [LatentEntropy("drop", 8)]) as run:
        run(x, ["a", "b"])
    assert run.upstream_random is False
    assert run.forwarded == {"shared_pass": 2, "preparation": 2}


class InPlaceDropout(nn.Module):
    """Ignores what its in-place layers return, and uses their input again."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.drop = (
            nn.Conv2d(3, 4, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.5, inplace=True),
        )
        self.same = nn.Identity()

    def forward(self, x):
        y = self.conv(x)
        self.relu(y)
        z = self.same(y)
        z += 1
        self.drop(y)
        F.dropout(y, 0.3, self.training, inplace=True)
        return (y + z).mean((2, 3))


def test_in_place_layers_whose_result_is_not_used():
    torch.manual_seed(0)
    network, x = InPlaceDropout().eval(), torch.rand(1, 3, 6, 6)
    kept = x.clone()
    with torch.no_grad(), dropping(network, ["a"], 0, "cpu"):
        full = [network(x) for _ in range(1000)]
    with torch.no_grad(), dropping(network, ["a"], 0, "cpu"), trunk_once(network):
        short = [network(x) for _ in range(1000)]
    assert all(map(torch.equal, full, short))
    torch.manual_seed(1)
    with torch.no_grad():
        passes = torch.cat([network.train()(x) for _ in range(1000)])
    for column in range(4):
        pair = (v[:, column].numpy().round(4) for v in (torch.cat(full), passes))
        assert ks_2samp(*pair, method="asymp").pvalue > 1e-3
    assert torch.equal(x, kept)


def test_a_dropout_layer_with_other_rows_than_images_is_refused():
    class Tokens(nn.Sequential):
        def forward(self, x):
            return self[0](x.flatten(2).transpose(1, 2).flatten(0, 1)).unflatten(0, (len(x), -1)).mean(1)

    with (
        OnePass(Tokens(nn.Dropout(0.5)).eval(), [Stochastic(4)]) as run,
        pytest.raises(UnsampledDropout, match="dropout of Dropout: it gets 16 rows for 1 images"),
    ):
        run(torch.rand(1, 3, 4, 4), ["a"])
