"""ESPNet (Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation", ECCV
2018): a network as a user has it, in one file with a function that builds it.

Layers are named so that the state dict of the public CamVid file fits.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

DILATIONS = (1, 2, 4, 8, 16)
EPS = 1e-3


def named(**layers):
    return nn.Sequential(OrderedDict(layers))


def conv(given, made, size, stride=1, dilation=1):
    return named(conv=nn.Conv2d(given, made, size, stride, dilation * (size // 2), dilation, bias=False))


def active(width):
    return named(bn=nn.BatchNorm2d(width, EPS), act=nn.PReLU(width))


def doubled(given, made):
    return nn.ConvTranspose2d(given, made, 2, 2, bias=False)


def halved(image):
    return F.avg_pool2d(image, 3, 2, 1)


class Pyramid(nn.Module):
    """Section 3.1: reduce, dilated convolutions in parallel, all but the first summed one onto the other, joined."""

    def __init__(self, given, made, size=1, stride=1):
        super().__init__()
        width = made // len(DILATIONS)
        self.c1 = conv(given, width, size, stride)
        for d in DILATIONS:
            self.add_module(
                f"d{d}", conv(width, made - width * (len(DILATIONS) - 1) if d == 1 else width, 3, 1, d)
            )

    def concatenated(self, x):
        x = self.c1(x)
        maps = [self.d1(x), self.d2(x)]
        for d in DILATIONS[2:]:
            maps.append(maps[-1] + self.get_submodule(f"d{d}")(x))
        return torch.cat(maps, 1)


class Halved(Pyramid):
    def __init__(self, given, made):
        super().__init__(given, made, 3, 2)
        self.bn, self.act = nn.BatchNorm2d(made, EPS), nn.PReLU(made)

    def forward(self, x):
        return self.act(self.bn(self.concatenated(x)))


class Unit(Pyramid):
    """With the identity added where the widths agree."""

    def __init__(self, given, made):
        super().__init__(given, made)
        self.bn, self.residual = active(made), given == made

    def forward(self, x):
        made = self.concatenated(x)
        return self.bn(x + made if self.residual else made)


class Encoder(nn.Module):
    """ESPNet-C with ``p`` units at a quarter of the image's size and ``q`` at an eighth."""

    def __init__(self, num_classes, p, q, channels):
        super().__init__()
        self.level1 = named(**conv(channels, 16, 3, 2)._modules, **active(16)._modules)
        self.b1, self.level2_0 = active(16 + channels), Halved(16 + channels, 64)
        self.level2 = nn.Sequential(*(Unit(64, 64) for _ in range(p)))
        self.b2, self.level3_0 = active(128 + channels), Halved(128 + channels, 128)
        self.level3 = nn.Sequential(*(Unit(128, 128) for _ in range(q)))
        self.b3, self.classifier = active(256), conv(256, num_classes, 1)

    def forward(self, image):
        half, quarter = halved(image), halved(halved(image))
        one = self.b1(torch.cat([self.level1(image), half], 1))
        first = self.level2_0(one)
        two = self.b2(torch.cat([self.level2(first), first, quarter], 1))
        first = self.level3_0(two)
        return one, two, self.classifier(self.b3(torch.cat([first, self.level3(first)], 1)))


class ESPNet(nn.Module):
    """(B, 3, H, W) -> logits (B, K, H, W); H and W are multiples of 8."""

    def __init__(self, num_classes, p, q, channels):
        super().__init__()
        k = num_classes
        self.encoder = Encoder(k, p, q, channels)
        self.level3_C = conv(128 + channels, k, 1)
        self.br, self.up_l3 = nn.BatchNorm2d(k, EPS), nn.Sequential(doubled(k, k))
        self.combine_l2_l3 = nn.Sequential(active(2 * k), Unit(2 * k, k))
        self.up_l2 = nn.Sequential(doubled(k, k), active(k))
        self.conv = named(**conv(16 + channels + k, k, 3)._modules, **active(k)._modules)
        self.classifier = doubled(k, k)

    def forward(self, image):
        one, two, deepest = self.encoder(image)
        x = torch.cat([self.level3_C(two), self.up_l3(self.br(deepest))], 1)
        x = self.up_l2(self.combine_l2_l3(x))
        return self.classifier(self.conv(torch.cat([x, one], 1)))


def build(num_classes: int = 20, p: int = 2, q: int = 8, channels: int = 3) -> nn.Module:
    """``p``, ``q``: repetitions alpha_2 and alpha_3 of the paper."""
    return ESPNet(num_classes, p, q, channels)
