"""Checkpoints of other implementations of our architectures, and broken ones."""

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from networks import build, load_weights, open_network, weights_hash


def test_smp_weights_fit_ours_and_ours_fit_smp(tmp_path):
    torch.manual_seed(1)
    theirs = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=5).eval()
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, tmp_path / "a.pth.tar"
    )
    ours = build("deeplabv3plus-resnet18", 5).eval()
    load_weights(ours, tmp_path / "a.pth.tar")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))
        torch.save(ours.state_dict(), tmp_path / "b.pt")
        other = open_network("smp:deeplabv3plus/resnet18", 5, task="segmentation").module
        assert not torch.equal(other(x), theirs(x))
        load_weights(other, tmp_path / "b.pt")
        assert torch.equal(other(x), theirs(x))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.shortcut(x))


class ResNet18(nn.Module):
    """With the names of the CIFAR networks of OpenOOD; ``last``: "fc", or "linear" as in older code."""

    def __init__(self, classes, last="fc"):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        widths = [64, 64, 128, 256, 512]
        for i in range(1, 5):
            blocks = [
                BasicBlock(widths[i - 1], widths[i], 1 if i == 1 else 2),
                BasicBlock(widths[i], widths[i], 1),
            ]
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.add_module(last, nn.Linear(512, classes))
        self.last = last

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return getattr(self, self.last)(x.mean((2, 3)))


@pytest.mark.parametrize("last", ["fc", "linear"])
def test_openood_names(tmp_path, last):
    torch.manual_seed(2)
    theirs, ours = ResNet18(5, last).eval(), build("resnet18", 5).eval()
    torch.save({"net": theirs.state_dict(), "acc": 95.1}, tmp_path / "best.ckpt")
    load_weights(ours, tmp_path / "best.ckpt")
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


def test_torchvision_names(tmp_path):
    theirs = open_network("torchvision:resnet18", 5).module
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = build("resnet18-imagenet", 5).eval()
    load_weights(ours, tmp_path / "w.pth")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


def test_other_architectures_are_refused_by_their_own_names(tmp_path):
    torch.save(ResNet18(5).state_dict(), tmp_path / "w.pth")
    network = build("resnet34", 5)
    before = weights_hash(network)
    with pytest.raises(
        ValueError, match=r"not of this ResNet: \d+ missing: stem.0.weight.*left over: conv1.weight"
    ):
        load_weights(network, tmp_path / "w.pth")
    assert weights_hash(network) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path, value):
    network = build("lenet", 3)
    state = network.state_dict()
    state["fc1.weight"] = state["fc1.weight"].clone()
    state["fc1.weight"][0, 0] = value
    torch.save(state, tmp_path / "w.pt")
    before = weights_hash(network)
    with pytest.raises(ValueError, match=r"w.pt holds NaN or infinity, first in fc1.weight") as error:
        load_weights(network, tmp_path / "w.pt")
    assert "\n" not in str(error.value) and weights_hash(network) == before
