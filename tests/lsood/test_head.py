"""The head recomputes the network's own logits from its pooled penultimate features."""

import pytest
import torch

from lsood import Head, OnePass
from lsood.probes import Logits, Pooled
from networks import build


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [("lenet", {"image_size": (20, 20)}, 20), ("resnet18-small", {}, 32), ("resnet18-sn", {}, 32)],
)
def test_head_equals_the_networks_logits(name, options, size):
    torch.manual_seed(0)
    network = build(name, 5, 3, **options)
    head, layer = Head.of(network), Pooled(network.feature_layers[-1])
    with OnePass(network, [Logits(), layer]) as run:
        found = run(torch.rand(3, 3, size, size), list("abc"))
    torch.testing.assert_close(head(found[layer.name]).float(), found["logits"], rtol=1e-4, atol=1e-5)


def test_no_head_without_a_name(tiny):
    assert Head.of(tiny(dense=True)) is None
