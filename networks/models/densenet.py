"""DenseNet-BC (Huang et al., CVPR 2017) for 32x32 images, with DropBlock at the layer that is sampled."""

from __future__ import annotations

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.spec import NetworkSpec


def _activated(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


class DenseLayer(nn.Module):
    """Bottleneck whose output is appended: (B, inputs, H, W) -> (B, inputs + growth, H, W)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_activated(inputs),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            *_activated(4 * growth),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], dim=1)


class DenseNet(nn.Module):
    """Three dense blocks; DropBlock2D (p .4, block 3) after the second transition, sampled there.

    Depth 100, growth 12 is the DenseNet-BC of ODIN and VMDLS: 0.77 M parameters, 342 final features. The
    DropBlock is an addition of this project, for latent samples; it is idle in evaluation mode.

    Args:
        num_classes: K.
        channels: of the images.
        depth: 6 n + 4 convolutions and linear layers, n at least 1 bottleneck of two in each block.
        growth: channels every bottleneck adds.
        reduction: share of channels a transition keeps, above 0 and up to 1.

    Raises:
        ValueError: depth, growth or reduction out of range.
    """

    feature_layers = ("stem", "transition1", "transition2", "final")
    latent_layer = "drop_block"
    head_layer = "fc"

    def __init__(
        self, num_classes: int, channels: int = 3, depth: int = 100, growth: int = 12, reduction: float = 0.5
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth of a DenseNet-BC must be 6 n + 4, n at least 1; got {depth}")
        if growth < 1 or not 0 < reduction <= 1:
            raise ValueError(
                f"growth must be at least 1, reduction above 0 and up to 1; got {growth} and {reduction}"
            )
        layers, width = (depth - 4) // 6, 2 * growth
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.block1, width = self._block(width, growth, layers)
        self.transition1, width = self._transition(width, reduction)
        self.block2, width = self._block(width, growth, layers)
        self.transition2, width = self._transition(width, reduction)
        self.drop_block = DropBlock2D(0.4, 3)
        self.block3, width = self._block(width, growth, layers)
        self.final = nn.Sequential(*_activated(width))
        self.fc = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    @staticmethod
    def _block(inputs: int, growth: int, layers: int) -> tuple[nn.Sequential, int]:
        block = nn.Sequential(*(DenseLayer(inputs + i * growth, growth) for i in range(layers)))
        return block, inputs + layers * growth

    @staticmethod
    def _transition(inputs: int, reduction: float) -> tuple[nn.Sequential, int]:
        outputs = max(int(inputs * reduction), 1)
        convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
        return nn.Sequential(*_activated(inputs), convolution, nn.AvgPool2d(2)), outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        x = self.transition2(self.block2(self.transition1(self.block1(self.stem(x)))))
        x = self.final(self.block3(self.drop_block(x)))
        return self.fc(x.mean(dim=(2, 3)))


NETWORKS = (
    NetworkSpec(
        "densenet-bc-100",
        "classification",
        "DenseNet-BC, depth 100, growth 12, 0.77 M parameters",
        DenseNet,
    ),
)
