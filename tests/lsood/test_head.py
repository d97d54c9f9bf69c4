"""The head recomputes the network's own logits from its pooled penultimate features."""

import pytest
import torch

from lsood import Head, OnePass
from lsood.probes.image import Logits, Pooled
from networks import build


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("lenet", {"image_size": (20, 20)}, 20),
        ("lenet-mcd", {"image_size": (20, 20)}, 20),
        ("resnet18-small", {}, 32),
        ("resnet18-sn", {}, 32),
        ("resnet34-imagenet", {"width": 16}, 64),
        ("densenet-bc-100", {"depth": 16}, 32),
        ("wrn-28-10", {"depth": 10, "width": 1, "dropout": 0.1}, 32),
        ("wrn-40-2", {"depth": 10}, 32),
        ("vgg", {"stages": ((4, 6), (8, 8), (8,)), "hidden": (12, 12), "image_size": (20, 20)}, 20),
        ("vmdls-convnet", {"stages": ((4, 4), (4, 4), (4,)), "image_size": (20, 20)}, 20),
    ],
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
