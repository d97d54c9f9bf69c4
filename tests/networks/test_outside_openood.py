"""Networks with OpenOOD's interface (``return_feature``, ``return_feature_list``, ``get_fc``) give their features.

OpenOOD itself is not in the package registry; the class follows the interface of its ``networks/resnet18_32x32.py``.
"""

import torch
import torch.nn.functional as F
from torch import nn

from lsood import Head
from lsood.extraction.one_pass import OnePass
from lsood.probes.image import Logits, Pooled
from networks import adapt


class OpenOODNet(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.avgpool = nn.AvgPool2d(8)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x, return_feature=False, return_feature_list=False):
        first = F.relu(self.bn1(self.conv1(x)))
        second = self.layer1(first)
        third = self.layer2(second)
        feature = self.avgpool(third).view(third.size(0), -1)
        logits = self.fc(feature)
        if return_feature:
            return logits, feature
        if return_feature_list:
            return logits, [first, second, third]
        return logits

    def get_fc(self):
        return self.fc.weight.cpu().detach().numpy(), self.fc.bias.cpu().detach().numpy()


def test_features_head_and_stages_are_those_of_return_feature():
    torch.manual_seed(0)
    module, images = OpenOODNet().eval(), torch.randn(4, 3, 16, 16)
    network = adapt(module, "classification", images, 5)
    with torch.no_grad():
        logits, feature = module(images, return_feature=True)
        _, stages = module(images, return_feature_list=True)
    penultimate = Pooled(network.feature_layers[-1])
    probes = [Logits(), penultimate, *(Pooled(layer) for layer in network.feature_layers)]
    with OnePass(network, probes) as run:
        found = run(images, list("abcd"))
    torch.testing.assert_close(found["logits"], logits)
    torch.testing.assert_close(found[penultimate.name], feature)
    weight, bias = module.get_fc()
    head = Head.of(network)
    torch.testing.assert_close(head.weight.float(), torch.from_numpy(weight))
    torch.testing.assert_close(head.bias.float(), torch.from_numpy(bias))
    pooled = [found[Pooled(layer).name] for layer in network.feature_layers]
    assert any(
        values.shape == stages[1].mean((2, 3)).shape
        and torch.allclose(values, stages[1].mean((2, 3)), atol=1e-5)
        for values in pooled
    )


def test_a_network_that_always_returns_its_features_is_read_by_its_logits():
    torch.manual_seed(0)
    module, images = (
        OpenOODNet(num_classes=16).eval(),
        torch.randn(4, 3, 16, 16),
    )  # as many classes as features

    class Always(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = module

        def forward(self, x):
            return self.net(x, return_feature=True)[::-1]

    network = adapt(Always(), "classification", images, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(images), module(images))
