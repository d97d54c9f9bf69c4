"""Wide ResNet (Zagoruyko and Komodakis, BMVC 2016), with DropBlock at the layer that is sampled."""

from __future__ import annotations

from functools import partial

from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.spec import NetworkSpec


class WideBlock(nn.Module):
    """Pre-activation block of two 3x3 convolutions: (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.second = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        )
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.second(y) + (x if self.shortcut is None else self.shortcut(y))


class WideResNet(nn.Module):
    """Three groups of pre-activation blocks; DropBlock2D (p .4, block 5) after the second, sampled there.

    WRN-28-10 has 36.5 M parameters and 640 final features. The DropBlock is an addition of this project,
    for latent samples; it is idle in evaluation mode.

    Args:
        num_classes: K.
        channels: of the images.
        depth: 6 n + 4, n at least 1 block in each group.
        width: factor of the groups' 16, 32 and 64 channels.
        dropout: probability between the convolutions of every block; above 0 random layers lie upstream of
            the sampled one, and latent samples cost a full pass each.

    Raises:
        ValueError: depth, width or dropout out of range.
    """

    feature_layers = ("stem", "group1", "group2", "final")
    latent_layer = "drop_block"
    head_layer = "fc"

    def __init__(
        self, num_classes: int, channels: int = 3, depth: int = 28, width: int = 10, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth of a wide ResNet must be 6 n + 4, n at least 1; got {depth}")
        if width < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"width must be at least 1, dropout lie in 0 to below 1; got {width} and {dropout}"
            )
        blocks, widths = (depth - 4) // 6, [16 * width, 32 * width, 64 * width]
        self.stem = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.group1 = self._group(16, widths[0], blocks, 1, dropout)
        self.group2 = self._group(widths[0], widths[1], blocks, 2, dropout)
        self.drop_block = DropBlock2D(0.4, 5)
        self.group3 = self._group(widths[1], widths[2], blocks, 2, dropout)
        self.final = nn.Sequential(nn.BatchNorm2d(widths[2]), nn.ReLU(inplace=True))
        self.fc = nn.Linear(widths[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    @staticmethod
    def _group(inputs: int, outputs: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
        rest = (WideBlock(outputs, outputs, 1, dropout) for _ in range(blocks - 1))
        return nn.Sequential(WideBlock(inputs, outputs, stride, dropout), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        x = self.drop_block(self.group2(self.group1(self.stem(x))))
        return self.fc(self.final(self.group3(x)).mean(dim=(2, 3)))


NETWORKS = (
    NetworkSpec("wrn-28-10", "classification", "Wide ResNet, 36.5 M parameters", WideResNet),
    NetworkSpec(
        "wrn-40-2",
        "classification",
        "Wide ResNet, 2.2 M parameters",
        partial(WideResNet, depth=40, width=2),
    ),
)
