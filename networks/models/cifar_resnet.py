"""ResNet-20, -32, -44 and -56 for images of 32 x 32 (He et al., CVPR 2016, section 4.2), with a DropBlock."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.spec import NetworkSpec


class PlainBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters, "option A": (B, inputs, H, W) -> (B, outputs, H/stride,
    W/stride). Where the size changes, the shortcut takes every second row and column and adds channels of zeros, as
    many before as behind.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.stride, self.zeros = stride, (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        if self.zeros:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
        return self.relu2(y + x)


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels, with DropBlock2D after the second one, sampled there.

    Args:
        num_classes: K.
        channels: of the images.
        depth: 6 n + 2; 20, 32, 44 and 56 in the paper.
        drop_probability, block_size: of DropBlock2D on the second stage's map, 16 x 16 for images of 32 x 32.

    Raises:
        ValueError: a depth that is not 6 n + 2.
    """

    feature_layers = ("stem", "layer1", "layer2", "layer3")
    latent_layer = "drop_block"
    head_layer = "fc"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        depth: int = 20,
        drop_probability: float = 0.4,
        block_size: int = 5,
    ) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise ValueError(f"depth must be 6 n + 2 (20, 32, 44, 56, ...), got {depth}")
        first = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.layer1 = self._stage(16, 16, blocks, 1)
        self.layer2 = self._stage(16, 32, blocks, 2)
        self.drop_block = DropBlock2D(drop_probability, block_size)
        self.layer3 = self._stage(32, 64, blocks, 2)
        self.fc = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        rest = (PlainBlock(outputs, outputs, 1) for _ in range(blocks - 1))
        return nn.Sequential(PlainBlock(inputs, outputs, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        x = self.drop_block(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.layer3(x).mean(dim=(2, 3)))


NETWORKS = (
    NetworkSpec("resnet20", "classification", "ResNet-20 for CIFAR, .27 M parameters", CifarResNet),
    NetworkSpec(
        "resnet32", "classification", "ResNet-32 for CIFAR, .46 M parameters", partial(CifarResNet, depth=32)
    ),
    NetworkSpec(
        "resnet44", "classification", "ResNet-44 for CIFAR, .66 M parameters", partial(CifarResNet, depth=44)
    ),
    NetworkSpec(
        "resnet56", "classification", "ResNet-56 for CIFAR, .85 M parameters", partial(CifarResNet, depth=56)
    ),
)
