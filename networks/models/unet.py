"""U-Net (Ronneberger et al., MICCAI 2015) as the LaREx authors build it: three convolutions a block,
DropBlock at the bottleneck.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.models.padding import pad_to
from networks.spec import NetworkSpec


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Three 3x3 convolutions with batch norm and ReLU: (B, inputs, H, W) -> (B, outputs, H, W)."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Average-pool down, bilinear up, DropBlock2D (p .5, block 8 in the reference) on the deepest map,
    sampled there.

    Features: the output of every block on the way down and of the last block on the way up. Images whose
    sides are no multiples of the deepest stride are padded and the logits cropped back.

    Args:
        num_classes: K.
        channels: of the images.
        filters: per level, at least two; in the reference (32, 64, 128, 256) for Cityscapes and
            (32, 64, 128) for WoodScape.
        drop_probability, block_size: of DropBlock2D.

    Raises:
        ValueError: fewer than two levels.
    """

    latent_layer = "drop_block"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        filters: tuple[int, ...] = (32, 64, 128, 256),
        drop_probability: float = 0.5,
        block_size: int = 8,
    ) -> None:
        super().__init__()
        if len(filters) < 2:
            raise ValueError(f"a U-Net needs the filters of at least two levels, got {tuple(filters)}")
        shallow, deep = filters[:-1], filters[1:]
        self.down = nn.ModuleList(block(i, o) for i, o in zip((channels, *shallow), filters, strict=True))
        self.drop_block = DropBlock2D(drop_probability, block_size)
        self.up = nn.ModuleList(
            block(below + skip, skip) for below, skip in zip(deep[::-1], shallow[::-1], strict=True)
        )
        self.head = nn.Conv2d(filters[0], num_classes, 1)
        self.feature_layers = (*(f"down.{i}" for i in range(len(self.down))), f"up.{len(self.up) - 1}")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to(x, 2 ** len(self.up))
        skips: list[Tensor] = []
        for i, level in enumerate(self.down):
            x = level(F.avg_pool2d(x, 2) if i else x)
            skips.append(x)
        x = self.drop_block(x)
        for level, skip in zip(self.up, skips[-2::-1], strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = level(torch.cat([x, skip], dim=1))
        return self.head(x)[..., :height, :width]


NETWORKS = (
    NetworkSpec("unet", "segmentation", "U-Net with 32 to 256 filters, as in LaREx", UNet),
    NetworkSpec(
        "unet-small",
        "segmentation",
        "U-Net with 12 to 96 filters, for CPUs",
        partial(UNet, filters=(12, 24, 48, 96), block_size=4),
    ),
)
