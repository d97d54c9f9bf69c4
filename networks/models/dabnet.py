"""DABNet (Li et al., BMVC 2019): real-time segmentation by depth-wise asymmetric convolutions, with a DropBlock."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.models.padding import pad_to
from networks.spec import NetworkSpec

STRIDE = 8


class NormAct(nn.Module):
    """Batch norm (epsilon .001) and PReLU with a slope per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(x))


class ConvNormAct(nn.Module):
    """Convolution without bias that keeps the size (or halves it with stride 2), then `NormAct`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2 * dilation, kernel[1] // 2 * dilation)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
        self.after = NormAct(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.conv(x))


class DABModule(nn.Module):
    """Depth-wise asymmetric bottleneck: (B, C, H, W) -> the same shape. A 3x3 convolution to C / 2 channels, two
    branches of depth-wise 3x1 and 1x3 convolutions, one of them dilated, their sum, a 1x1 convolution and a shortcut.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        half = channels // 2
        self.before = NormAct(channels)
        self.reduce = ConvNormAct(channels, half)
        self.local = nn.Sequential(
            ConvNormAct(half, half, (3, 1), groups=half), ConvNormAct(half, half, (1, 3), groups=half)
        )
        self.context = nn.Sequential(
            ConvNormAct(half, half, (3, 1), dilation=dilation, groups=half),
            ConvNormAct(half, half, (1, 3), dilation=dilation, groups=half),
        )
        self.middle = NormAct(half)
        self.expand = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(self.before(x))
        return x + self.expand(self.middle(self.local(y) + self.context(y)))


class Downsampling(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H/2, W/2): a 3x3 convolution with stride 2, beside the 2x2 maxima of the input
    where it has fewer channels than the output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pooled = inputs < outputs
        self.conv = nn.Conv2d(inputs, outputs - inputs * self.pooled, 3, 2, 1, bias=False)
        self.after = NormAct(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.after(torch.cat([y, F.max_pool2d(x, 2)], 1) if self.pooled else y)


class DABNet(nn.Module):
    """Features: ``stem`` (stride 2, 32 channels), ``block1`` (stride 4, 64), ``block2`` (stride 8, 128) and ``fused``
    (stride 8, 256 and the image's channels), from which a 1x1 convolution makes the logits. Images whose sides are no
    multiples of 8 are padded and the logits cropped back. The authors' network has no dropout; ``drop_block``, after
    ``block2``, is sampled.

    Args:
        num_classes: K.
        channels: of the images.
        drop_probability, block_size: of DropBlock2D on a map of 1/8 of the image's sides.
    """

    feature_layers = ("stem", "block1", "block2", "fused")
    latent_layer = "drop_block"

    def __init__(
        self, num_classes: int, channels: int = 3, drop_probability: float = 0.3, block_size: int = 5
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNormAct(channels, 32, stride=2), ConvNormAct(32, 32), ConvNormAct(32, 32)
        )
        self.join1 = NormAct(32 + channels)
        self.down1 = Downsampling(32 + channels, 64)
        self.block1 = nn.Sequential(*(DABModule(64, 2) for _ in range(3)))
        self.join2 = NormAct(128 + channels)
        self.down2 = Downsampling(128 + channels, 128)
        self.block2 = nn.Sequential(*(DABModule(128, dilation) for dilation in (4, 4, 8, 8, 16, 16)))
        self.drop_block = DropBlock2D(drop_probability, block_size)
        self.fused = NormAct(256 + channels)
        self.classifier = nn.Conv2d(256 + channels, num_classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to(x, STRIDE)
        halved = [x]
        for _ in range(3):
            halved.append(F.avg_pool2d(halved[-1], 3, 2, 1))
        y = self.down1(self.join1(torch.cat([self.stem(x), halved[1]], 1)))
        y = self.down2(self.join2(torch.cat([self.block1(y), y, halved[2]], 1)))
        y = self.fused(torch.cat([self.drop_block(self.block2(y)), y, halved[3]], 1))
        logits = F.interpolate(self.classifier(y), x.shape[-2:], mode="bilinear", align_corners=False)
        return logits[..., :height, :width]


NETWORKS = (NetworkSpec("dabnet", "segmentation", "DABNet, .76 M parameters, for CPUs", DABNet),)
