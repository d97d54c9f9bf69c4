"""ESPNetv2 for segmentation (Mehta et al., "ESPNetv2: A Light-weight, Power Efficient, and General Purpose
Convolutional Neural Network", CVPR 2019): a network as a user has it, in one file with a function that builds it.

Layers are named so that the state dict of the public Cityscapes file fits.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

BRANCHES = 4
ENLARGED = (2.0, 1.5, 1.0, 0.5, 0.1)
"""Sizes, relative to the map, at which the decoder looks at it."""


def named(**layers):
    return nn.Sequential(OrderedDict(layers))


def conv(given, made, size, stride=1, dilation=1, groups=1):
    return nn.Conv2d(given, made, size, stride, dilation * (size // 2), dilation, groups, bias=False)


def normed(given, made, size, stride=1, groups=1):
    return named(conv=conv(given, made, size, stride, groups=groups), bn=nn.BatchNorm2d(made))


def active(given, made, size, stride=1, groups=1):
    return named(**normed(given, made, size, stride, groups)._modules, act=nn.PReLU(made))


class Pooled(nn.Module):
    """Section 3.1, "EESP": reduce by a group convolution, dilated depth-wise branches summed one onto the other,
    merge by a group convolution. ``dilations``: of the branches, ascending."""

    def __init__(self, given, made, stride=1, dilations=(1, 2, 3, 4)):
        super().__init__()
        width = made // BRANCHES
        self.proj_1x1 = active(given, width, 1, groups=BRANCHES)
        self.spp_dw = nn.ModuleList(
            named(conv=conv(width, width, 3, stride, d, groups=width)) for d in dilations
        )
        self.br_after_cat = named(bn=nn.BatchNorm2d(made), act=nn.PReLU(made))
        self.conv_1x1_exp = normed(made, made, 1, groups=BRANCHES)
        self.module_act = nn.PReLU(made)  # held by the public file where the stride leaves it unused, too

    def merged(self, x):
        x, branches = self.proj_1x1(x), []
        for branch in self.spp_dw:
            branches.append(branch(x) + branches[-1] if branches else branch(x))
        return self.conv_1x1_exp(self.br_after_cat(torch.cat(branches, 1)))

    def forward(self, x):
        return self.module_act(self.merged(x) + x)


class Halved(nn.Module):
    """Section 3.2, "strided EESP": average pooling beside a strided unit, and a shortcut from the image."""

    def __init__(self, given, made, channels):
        super().__init__()
        self.eesp = Pooled(given, made - given, stride=2)
        self.inp_reinf = nn.Sequential(active(channels, 3, 3), normed(3, made, 1))
        self.act = nn.PReLU(made)

    def forward(self, x, image):
        x = torch.cat([F.avg_pool2d(x, 3, 2, 1), self.eesp.merged(x)], 1)
        while image.shape[-1] > x.shape[-1]:
            image = F.avg_pool2d(image, 3, 2, 1)
        return self.act(x + self.inp_reinf(image))


class Encoder(nn.Module):
    def __init__(self, widths, channels):
        super().__init__()
        one, two, three, four = widths
        self.level1 = active(channels, one, 3, 2)
        self.level2_0 = Halved(one, two, channels)
        self.level3_0 = Halved(two, three, channels)
        self.level3 = nn.Sequential(*(Pooled(three, three) for _ in range(3)))
        self.level4_0 = Halved(three, four, channels)
        self.level4 = nn.Sequential(*(Pooled(four, four, dilations=(1, 1, 2, 3)) for _ in range(7)))

    def forward(self, image):
        one = self.level1(image)
        two = self.level2_0(one, image)
        three = self.level3(self.level3_0(two, image))
        return one, two, three, self.level4(self.level4_0(three, image))


def activation(width):
    return nn.Sequential(nn.BatchNorm2d(width), nn.PReLU(width))


def activated(given, made, size, groups=1):
    return named(cbr=nn.Sequential(conv(given, made, size, groups=groups), *activation(made)))


def resized(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


class Pyramid(nn.Module):
    """The decoder's pyramid: depth-wise convolutions of the map at several sizes, shuffled and merged."""

    def __init__(self, given, width, made, last=False):
        super().__init__()
        scales = len(ENLARGED)
        self.projection_layer = activated(given, width, 1)
        self.stages = nn.ModuleList(conv(width, width, 3, groups=width) for _ in ENLARGED)
        self.merge_layer = nn.Sequential(
            named(br=activation(width * scales)),
            nn.ChannelShuffle(scales),
            activated(width * scales, width, 3, groups=width),
            nn.Conv2d(width, made, 1, bias=last),
        )
        self.br = nn.Identity() if last else named(br=activation(made))

    def forward(self, x):
        x = self.projection_layer(x)
        size, maps = x.shape[-2:], []
        for stage, scale in zip(self.stages, ENLARGED, strict=True):
            other = [max(math.ceil(n * scale), 5) for n in size]
            if scale > 1:
                maps.append(F.adaptive_avg_pool2d(stage(resized(x, other)), size))
            else:
                maps.append(resized(stage(F.adaptive_avg_pool2d(x, other)), size) if scale < 1 else stage(x))
        return self.br(self.merge_layer(torch.cat(maps, 1)))


class Weighted(nn.Module):
    """Encoder features for the decoder: a group convolution, its channels weighted by the pooled features."""

    def __init__(self, given, made):
        super().__init__()
        self.wt_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(given, made, 1), nn.Sigmoid())
        self.expansion_layer = activated(given, made, 3, groups=math.gcd(given, made))

    def forward(self, x):
        return self.expansion_layer(x) * self.wt_layer(x)


class ESPNetv2(nn.Module):
    """(B, 3, H, W) -> logits (B, K, H, W)."""

    def __init__(self, num_classes, scale, channels):
        super().__init__()
        widths = (32, *(int(scale * width) for width in (64, 128, 256)))
        narrow = min(num_classes // 2, 16)
        self.base_net = Encoder(widths, channels)
        self.bu_dec_l1 = Pyramid(widths[3], narrow, 64)
        for level, (given, width, made) in enumerate(
            [(widths[2], 64, 48), (widths[1], 48, 32), (widths[0], 32, num_classes)], 2
        ):
            self.add_module(f"merge_enc_dec_l{level}", Weighted(given, width))
            self.add_module(f"bu_br_l{level}", activation(width))
            self.add_module(f"bu_dec_l{level}", Pyramid(width, narrow, made, last=level == 4))

    def forward(self, image):
        *shallower, deepest = self.base_net(image)
        x = self.bu_dec_l1(deepest)
        for level, features in enumerate(reversed(shallower), 2):
            part = {name: getattr(self, f"{name}_l{level}") for name in ("merge_enc_dec", "bu_br", "bu_dec")}
            x = part["bu_br"](part["merge_enc_dec"](features) + resized(x, features.shape[-2:]))
            x = part["bu_dec"](x)
        return resized(x, image.shape[-2:])


def build(num_classes: int = 20, scale: float = 2.0, channels: int = 3) -> nn.Module:
    """``scale``: s of the paper, from 1."""
    return ESPNetv2(num_classes, scale, channels)
