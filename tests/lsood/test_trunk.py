"""Passes that begin at the first dropout layer give what full passes give, to the last bit."""

import pytest
import torch
from torch import nn

from lsood.extraction.sampling import dropping
from lsood.extraction.trunk import trunk_once
from networks import build


class InPlace(nn.Module):
    """A shared activation, a module called twice, and sums in place on both sides of the dropout layer."""

    def __init__(self):
        super().__init__()
        self.first, self.twice, self.relu = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)
        self.drop, self.last = nn.Dropout2d(0.5), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.first(x)
        y += 1
        y = self.twice(self.relu(y))
        y += self.twice(y)
        z = self.drop(y)
        z *= 2
        return self.relu(self.last(z) + y).mean(dim=(2, 3))


def networks():
    torch.manual_seed(0)
    yield "in place", InPlace()
    yield "lenet", build("lenet", 5, 3, image_size=(32, 32))
    yield "resnet18", build("resnet18-small", 5, 3)
    yield "unet", build("unet-small", 5, 3)


@pytest.mark.parametrize(
    ("name", "network"), networks(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_equals_full_passes(name, network):
    network, x, keys = network.eval(), torch.rand(2, 3, 32, 32), ["a", "b"]
    with torch.no_grad():
        with dropping(network, keys, 0, "cpu"):
            full = [network(x) for _ in range(4)]
        with dropping(network, keys, 0, "cpu"), trunk_once(network):
            short = [network(x) for _ in range(4)]
        assert not torch.equal(full[0], full[1])
        assert all(torch.equal(a, b) for a, b in zip(full, short, strict=True))
        assert not torch.equal(network(x), network(2 * x)), "nothing is replayed after the block"
    assert not any(
        m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in network.modules()
    )


class Counted(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x


def test_only_what_is_random_runs_again():
    before, after = Counted(), Counted()
    network = nn.Sequential(nn.Sequential(before), nn.Dropout(0.5), after).eval()
    with dropping(network, ["a"], 0, "cpu"), trunk_once(network):
        for _ in range(3):
            network(torch.ones(1, 4))
    assert (before.calls, after.calls) == (1, 3)
