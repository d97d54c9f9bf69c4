"""Networks as users write them, and what the tests of outside networks ask of an adapted one."""

import torch
import torch.nn.functional as F
from torch import nn

from lsood import Head
from lsood.extraction.hook import Hook
from lsood.extraction.one_pass import OnePass
from lsood.probes.image import LatentEntropy, Pooled
from networks import adapt


class Residual(nn.Module):
    """In-place additions and activations, a head that is a 1x1 convolution, logits in a dictionary."""

    def __init__(self, num_classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block1 = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.block2 = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.classifier = nn.Conv2d(16, num_classes, 1)

    def forward(self, x):
        x = F.relu_(self.stem(x))
        out = self.block1(x)
        out += x
        F.relu_(out)
        out = self.block2(out)
        out *= 2
        return {"aux": out, "out": self.classifier(out).mean(dim=(2, 3))}


class Cosine(nn.Module):
    """Logits are cosine similarities: nothing linear gives them."""

    def __init__(self, num_classes=5):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = CosineHead(8, num_classes)

    def forward(self, x):
        return self.head(self.body(x))


class CosineHead(nn.Linear):
    def forward(self, x):
        return 10 * F.linear(F.normalize(x), F.normalize(self.weight))


class Segmenter(nn.Module):
    """Logits at a quarter of the size, with an auxiliary head; sides must be multiples of 32 if ``strict``."""

    def __init__(self, num_classes=5, strict=False):
        super().__init__()
        self.strict = strict
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
        self.aux, self.last = nn.Conv2d(12, num_classes, 1), nn.Conv2d(12, num_classes, 1)

    def forward(self, x):
        if self.strict and any(side % 32 for side in x.shape[-2:]):
            raise RuntimeError("the sides must be divisible by 32")
        x = self.down(x)
        return self.last(x), self.aux(x)


def images(size=(32, 32), count=2, channels=3, seed=0):
    return torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(seed))


def adapted(module, task="classification", size=(32, 32), classes=5, **options):
    """Random weights with spread batch norms, in evaluation mode, adapted."""
    return adapt(shaken(module), task, images(size), classes, **options)


def shaken(module, seed=0):
    """The module with seeded weights and running statistics."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=random)
            positive = "running_var" in name or (tensor.ndim == 1 and "weight" in name)
            tensor.data = (0.5 + drawn.abs()) if positive else tensor.data + 0.1 * drawn
    return module.eval()


@torch.no_grad()
def outputs_of(network, layer, x):
    with Hook(network.get_submodule(layer), network) as hook:
        logits = network(x)
    return hook.output, logits


def check(network, plain, x, classes=5, dense=False):
    """What the pipeline needs of an adapted network: ``plain`` are the logits of the user's own module for x."""
    with torch.no_grad():
        logits = network(x)
    assert torch.equal(logits, plain)
    assert logits.shape == ((len(x), classes, *x.shape[-2:]) if dense else (len(x), classes))
    probes = [Pooled(name) for name in network.feature_layers]
    latent = LatentEntropy(network.latent_layer, 8)
    with OnePass(network, [*probes, latent]) as run:
        found = run(x, [str(i) for i in range(len(x))])
    assert all(found[probe.name].ndim == 2 for probe in probes)
    entropies = found[latent.name]
    assert entropies.ndim == 2 and entropies.isfinite().all() and len(entropies.unique()) > 1
    if network.head_layer is not None:
        head = Head.of(network)
        torch.testing.assert_close(head(found[probes[-1].name]).float(), plain, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        assert torch.equal(network(x), plain)  # nothing stays behind
