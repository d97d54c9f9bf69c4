"""MC dropout against plain stochastic passes and formulas written out; Outlier Exposure's auxiliary network."""

import math

import pytest
import torch
from dropblock import DropBlock2D
from torch import nn

from baselines import MSP, MCDropout, MCDropoutEntropy, MCDropoutMI, MCDropoutNet, OutlierExposure
from baselines.networks.stochastic import Stochastic, rest_and_entropy
from lsood import Activations, ModelInfo, OnePass

MODEL_INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))
KINDS = [MCDropout, MCDropoutEntropy, MCDropoutMI]


class Dropped(nn.Module):
    """Every kind of random layer, batch norm between them, statistics of its own."""

    def __init__(self, p=0.4):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)
        self.block, self.channels = DropBlock2D(p, 3), nn.Dropout2d(p)
        self.units, self.fc = nn.Dropout(p), nn.Linear(6, 4)
        self.norm.running_mean.fill_(-0.5)
        self.norm.running_var.fill_(0.3)

    def forward(self, x):
        x = self.channels(self.block(self.norm(self.conv(x)).relu()))
        return 4 * self.fc(self.units(x.mean(dim=(2, 3))))


@pytest.fixture
def dropped():
    def make(p=0.4):
        torch.manual_seed(0)
        return Dropped(p).eval()

    return make


def images(n, seed=0):
    return torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def measured(network, detector, x, keys=None):
    keys = [f"k{i}" for i in range(len(x))] if keys is None else keys
    with OnePass(network, detector.probes()) as run:
        return Activations(run(x, keys), keys), run.forwarded


def test_converges_to_a_network_with_only_its_dropout_layers_in_training_mode(dropped):
    network, x, passes = dropped(), images(2), 800
    found, forwarded = measured(network, MCDropout(passes).attach(MODEL_INFO), x)
    assert forwarded == {"shared_pass": 2, "sampling": 2}
    torch.manual_seed(1)
    for layer in (network.block, network.channels, network.units):
        layer.train()
    with torch.no_grad():  # one image at a time: DropBlock rescales over the batch
        passed = [torch.cat([network(image.expand(1, -1, -1, -1)) for image in x]) for _ in range(passes)]
    p = torch.stack(passed).double().softmax(2)
    mean, entropy = p.mean(0), -(p * p.log()).sum(2).mean(0)
    total = -(mean * mean.log()).sum(1)
    expected = torch.stack([1 - mean.amax(1), total, total - entropy], dim=1)
    torch.testing.assert_close(next(iter(found.tensors.values())), expected, rtol=0, atol=0.04)
    assert (expected[:, 2] > 0.05).all(), "dropout must matter here, or this test shows nothing"
    for kind in KINDS:
        ours = kind(passes).attach(MODEL_INFO).score(found)
        torch.testing.assert_close(ours, kind(passes).score(p.transpose(0, 1)), rtol=0, atol=0.04)


def test_equals_the_formulas_written_out():
    p = torch.rand(5, 7, 4, generator=torch.Generator().manual_seed(0)).double().pow(3)
    p = p / p.sum(2, keepdim=True)
    for row, samples in enumerate(p.tolist()):
        mean = [math.fsum(s[k] for s in samples) / 7 for k in range(4)]
        total = -math.fsum(v * math.log(v) for v in mean)
        expected = math.fsum(-v * math.log(v) for s in samples for v in s) / 7
        figures = (1 - max(mean), total, total - expected)
        for kind, value in zip(KINDS, figures, strict=True):
            assert kind().score(p)[row].item() == pytest.approx(value, rel=1e-10)


def test_confident_images_keep_their_order():
    z = torch.zeros(3, 1, 4).double()
    z[:, 0, 0] = torch.tensor([20.0, 45.0, 80.0])
    rest, entropy = rest_and_entropy(z[:, 0].softmax(1))
    for values in (rest, entropy):
        assert values.argsort(descending=True).tolist() == [0, 1, 2]
        assert values.unique().numel() == 3
    assert rest_and_entropy(torch.tensor([[1.0, 0.0]]))[1].item() == 0


def test_mutual_information_is_not_negative_and_zero_without_dropout(dropped):
    detector = MCDropoutMI(4).attach(MODEL_INFO)
    x = torch.cat([images(10), 30 * images(10, 1)])
    assert (detector.score(measured(dropped(), detector, x)[0]) >= 0).all()
    found, forwarded = measured(dropped(p=0.0), detector, x)
    assert torch.equal(detector.score(found), torch.zeros(20, dtype=torch.float64))
    assert forwarded["sampling"] == 20
    plain = MSP().score(dropped()(x).detach())
    torch.testing.assert_close(MCDropout(4).attach(MODEL_INFO).score(found), plain, rtol=1e-5, atol=0)


def test_one_by_one_equals_a_shuffled_mixed_batch(dropped):
    network, x = dropped(), torch.cat([images(6), 5 * images(6, 1)])
    detector, keys = MCDropout().attach(MODEL_INFO), [f"k{i}" for i in range(12)]
    parts = [measured(network, detector, x[i : i + 1], keys[i : i + 1])[0] for i in range(12)]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    together = measured(network, detector, x[order], [keys[i] for i in order])[0]
    for kind in KINDS:
        method = kind().attach(MODEL_INFO)
        alone = torch.cat([method.score(part) for part in parts])
        torch.testing.assert_close(method.score(together), alone[order], rtol=1e-4, atol=1e-6)


def test_the_three_share_one_probe_and_leave_the_network_in_evaluation_mode(dropped):
    network = dropped()
    names = {probe.name for kind in KINDS for probe in kind().attach(MODEL_INFO).probes()}
    assert names == {"mc_dropout.t16.s0.self"}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measured(network, MCDropout().attach(MODEL_INFO), images(2))
    assert not any(module.training or module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_segmentation_is_the_mean_over_pixels(tiny):
    network, x = tiny(dense=True), images(2)
    model_info = ModelInfo("segmentation", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))
    found, _ = measured(network, MCDropout(1).attach(model_info), x)
    with OnePass(network, [Stochastic(1)]) as run, torch.no_grad():
        run(x, ["k0", "k1"])
    network.drop.drop_prob = 0.0
    plain, _ = measured(network, MCDropout(1).attach(model_info), x)
    p = network(x).detach().softmax(1)
    expected = [(1 - p.amax(1)).mean(dim=(1, 2)), -(p * p.log()).sum(1).mean(dim=(1, 2)), torch.zeros(2)]
    values = next(iter(plain.tensors.values()))
    torch.testing.assert_close(values.float(), torch.stack(expected, dim=1), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(values, next(iter(found.tensors.values())))


def test_a_network_of_its_own(dropped, tiny):
    own, x = dropped(), images(4)
    detector = MCDropoutNet((own.train(),), "hash").attach(MODEL_INFO)
    found, forwarded = measured(tiny(), detector, x)
    assert forwarded == {"shared_pass": 4, "members": 4}
    same, _ = measured(dropped(), MCDropout().attach(MODEL_INFO), x)
    torch.testing.assert_close(detector.score(found), MCDropout().attach(MODEL_INFO).score(same))
    assert MCDropoutNet.auxiliary_networks == "mc-dropout" and MCDropout.auxiliary_networks is None
    with pytest.raises(ValueError, match="needs one network trained with dropout, got 0"):
        MCDropoutNet().attach(MODEL_INFO)


def test_outlier_exposure_is_the_msp_of_its_auxiliary_network(dropped, tiny):
    own, x = dropped(), images(5)
    detector = OutlierExposure((own.train(),), "hash").attach(MODEL_INFO)
    found, forwarded = measured(tiny(), detector, x)
    assert forwarded == {"shared_pass": 5, "members": 5}
    expected = 1 - dropped()(x).detach().double().softmax(1).amax(1)
    torch.testing.assert_close(detector.score(found), expected, rtol=1e-5, atol=1e-7)
    alone = torch.cat([detector.score(measured(tiny(), detector, image[None])[0]) for image in x])
    torch.testing.assert_close(alone, detector.score(found), rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match="outlier-exposure does not apply to segmentation"):
        OutlierExposure((own,), "hash").attach(ModelInfo("segmentation", 4, ("relu1",), "drop", (1.0,)))
    with pytest.raises(ValueError, match="needs one network trained with outliers, got 0"):
        OutlierExposure().attach(MODEL_INFO)


@pytest.mark.parametrize("kind", KINDS)
def test_state_and_bad_parameters(kind):
    p = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)).softmax(2)
    detector = kind(7)
    again = kind.from_state(detector.state(), **detector.get_params())
    assert again.passes == 7
    assert torch.equal(again.score(p), detector.score(p))
    with pytest.raises(ValueError, match="passes must be at least 1, got 0"):
        kind(0)
    with pytest.raises(ValueError, match=r"probabilities must be \(N, T, K\), got \(3, 5\)"):
        detector.score(p[..., 0])
