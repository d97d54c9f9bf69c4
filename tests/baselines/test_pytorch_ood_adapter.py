"""Detectors of pytorch-ood as methods score as the library does with the network and the images themselves."""

import pytest
import torch
from torch import nn

from lsood.extraction.activations import Activations, concatenate
from lsood.extraction.one_pass import OnePass
from lsood.methods import create
from lsood.probes.base import ModelInfo
from lsood.probes.head import Head
from lsood.probes.image import Logits, Pooled

library = pytest.importorskip("pytorch_ood.detector", reason="pytorch-ood is not installed")

SPECS = {
    "EnergyBased@t=2.0": {},
    "Entropy": {},
    "GEN": {},
    "KLMatching": {},
    "KNN@k=3": {},
    "Mahalanobis": {},
    "MaxLogit": {},
    "MaxSoftmax": {},
    "NNGuide": {},
    "RMD": {},
    "SHE": {},
    "TemperatureScaling": {},
    "ViM@d=4": {},
    "fDBD": {},
    "DICE@p=0.7": {},
}


class Network(nn.Module):
    feature_layers, head_layer = ("body",), "fc"

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU())
        self.fc = nn.Linear(16, 4)

    def features(self, x):
        return self.body(x).mean((2, 3))

    def forward(self, x):
        return self.fc(self.features(x))


@pytest.fixture(scope="module")
def measured():
    torch.manual_seed(0)
    network = Network()
    images, labels = torch.randn(80, 3, 12, 12), torch.arange(80) % 4
    images += labels[:, None, None, None] * 0.5
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(40):  # every class is predicted right at least once
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.eval()
    with OnePass(network, [Logits(), Pooled("body")]) as run:
        rows = [run(part, [str(i) for i in range(len(part))]) for part in images.split(16)]
    found = concatenate(rows)
    tensors = {**found, "labels": labels}
    return network, images, labels, Activations(tensors, [str(i) for i in range(80)])


def info(network, **changes):
    given = {"task": "classification", "num_classes": 4, "layers": ("body",), "latent_layer": "body"}
    return ModelInfo(**(given | {"std": (1.0,) * 3, "head": Head.of(network), "head_layer": "fc"} | changes))


@pytest.mark.parametrize("spec", SPECS)
def test_scores_are_those_of_the_library(spec, measured):
    network, images, labels, rows = measured
    ours = create(f"pytorch_ood.detector:{spec}").attach(info(network)).fit(rows)
    name, _, _ = spec.partition("@")
    arguments = ours.get_params()
    kind = getattr(library, name)
    if isinstance(ours.fitted_, library.EnergyBased.__mro__[1]):
        theirs = kind(network, **arguments)
    else:
        weights = {
            "ViM": {"w": network.fc.weight, "b": network.fc.bias},
            "DICE": {"w": network.fc.weight, "b": network.fc.bias},
            "fDBD": {"head": network.fc},
            "NNGuide": {"head": network.fc},
            "SHE": {"head": network.fc},
        }.get(name, {})
        theirs = kind(network.features, **weights, **arguments)
    torch.manual_seed(1)
    theirs.to("cpu").fit([(images, labels)])
    with torch.no_grad():
        expected = theirs.predict(images).double()
    torch.testing.assert_close(ours.score(rows), expected, rtol=1e-4, atol=1e-4)


def test_what_needs_more_than_logits_or_features_says_so(measured):
    network = measured[0]
    with pytest.raises(ValueError, match="Gram of pytorch-ood takes more than logits or pooled features"):
        create("pytorch_ood.detector:Gram")
    with pytest.raises(ValueError, match="needs a last linear layer, and this network has none"):
        create("pytorch_ood.detector:ViM@d=3").attach(info(network, head=None))


def test_wrong_arguments_are_told():
    with pytest.raises(ValueError, match="has no 'z'; it takes: k, normalize"):
        create("pytorch_ood.detector:KNN@z=3")
    with pytest.raises(ValueError, match="missing a required argument: 'd'"):
        create("pytorch_ood.detector:ViM")
    with pytest.raises(ValueError, match="is not a subclass of lsood"):
        create("pytorch_ood.api:Paper")


def test_a_monitor_cannot_save_it(measured):
    network, _, _, rows = measured
    with pytest.raises(ValueError, match="cannot be saved in a monitor"):
        create("pytorch_ood.detector:KNN").attach(info(network)).fit(rows).state()
