"""ResNet-18 and -34 (He et al., CVPR 2016) with the DropBlock of LaREx and two stems."""

from __future__ import annotations

from functools import partial

from dropblock import DropBlock2D
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from networks.spec import NetworkSpec


class Block(nn.Module):
    """Two 3x3 convolutions, each after Dropout2d(``dropout``), and a shortcut: (B, inputs, H, W) -> (B, outputs,
    H/stride, W/stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout1, self.dropout2 = nn.Dropout2d(dropout), nn.Dropout2d(dropout)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(self.dropout1(x))))
        y = self.bn2(self.conv2(self.dropout2(y)))
        return self.relu2(y + self.shortcut(x))


class ResNet(nn.Module):
    """Residual network with DropBlock2D (p .4, block 5) after the second stage, as in LaREx, sampled there.

    Args:
        num_classes: K.
        channels: of the images.
        blocks: per stage; (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) ResNet-34.
        stem: "cifar" (3x3, stride 1: for 32 x 32 images) or "imagenet" (7x7, stride 2, max-pool).
        width: channels of the first stage, 16 to 128; doubled by each further one.
        dropout: probability before the last layer; .3 in LaREx.
        spectral_norm: on the 3x3 convolutions of stages 3 and 4 and on the last layer, where LaREx has it.
            Stem, stages 1 and 2, shortcuts and batch norm are left as they are: this bounds no Lipschitz
            constant of the network, and nothing up to the sampled layer is normalised.
        conv_dropout: Dropout2d of this probability on the image and before every convolution of a block, and no
            DropBlock: the network of the MC-dropout column of Huang et al. (SafeAI 2021; .05 on CIFAR-10). The
            sampled layer is then the dropout that takes the second stage's output; random layers lie upstream.

    Raises:
        ValueError: unknown stem, a width or dropout out of range.
    """

    feature_layers = ("stem", "layer1", "layer2", "layer3", "layer4")
    head_layer = "fc"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        blocks: tuple[int, int, int, int] = (2, 2, 2, 2),
        stem: str = "cifar",
        width: int = 64,
        dropout: float = 0.0,
        spectral_norm: bool = False,
        conv_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stem not in ("cifar", "imagenet"):
            raise ValueError(f'stem must be "cifar" or "imagenet", got {stem!r}')
        if not 16 <= width <= 128:
            raise ValueError(f"width must lie in 16 to 128, got {width}")
        if not 0 <= conv_dropout < 1:
            raise ValueError(f"conv_dropout must lie in 0 to below 1, got {conv_dropout}")
        first = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        if stem == "imagenet":
            first = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        self.dropout_pixels = nn.Dropout2d(conv_dropout)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1) if stem == "imagenet" else nn.Identity()
        self.layer1 = self._stage(width, width, blocks[0], 1, conv_dropout)
        self.layer2 = self._stage(width, 2 * width, blocks[1], 2, conv_dropout)
        self.drop_block: nn.Module = nn.Identity() if conv_dropout else DropBlock2D(0.4, 5)
        self.latent_layer = "layer3.0.dropout1" if conv_dropout else "drop_block"
        self.layer3 = self._stage(2 * width, 4 * width, blocks[2], 2, conv_dropout)
        self.layer4 = self._stage(4 * width, 8 * width, blocks[3], 2, conv_dropout)
        self.dropout = nn.Dropout(dropout)
        self.fc: nn.Module = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if spectral_norm:
            for block in (*self.layer3, *self.layer4):
                parametrizations.spectral_norm(block.conv1)
                parametrizations.spectral_norm(block.conv2)
            parametrizations.spectral_norm(self.fc)

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
        rest = (Block(outputs, outputs, 1, dropout) for _ in range(blocks - 1))
        return nn.Sequential(Block(inputs, outputs, stride, dropout), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        x = self.layer2(self.layer1(self.pool(self.stem(self.dropout_pixels(x)))))
        x = self.layer4(self.layer3(self.drop_block(x)))
        return self.fc(self.dropout(x.mean(dim=(2, 3))))


RESNET34 = (3, 4, 6, 3)
NETWORKS = (
    NetworkSpec(
        "resnet18",
        "classification",
        "ResNet-18, 3x3 stem for 32x32 images",
        ResNet,
        dropout_variant="resnet18-mcd",
    ),
    NetworkSpec(
        "resnet18-imagenet",
        "classification",
        "ResNet-18, 7x7 stem, dropout .3, as in LaREx",
        partial(ResNet, stem="imagenet", dropout=0.3),
    ),
    NetworkSpec(
        "resnet18-sn",
        "classification",
        "ResNet-18, spectral norm on stages 3 and 4 and the last layer, as in LaREx",
        partial(ResNet, spectral_norm=True),
    ),
    NetworkSpec(
        "resnet18-small",
        "classification",
        "ResNet-18 a quarter as wide, for CPUs",
        partial(ResNet, width=16),
    ),
    NetworkSpec(
        "resnet18-mcd",
        "classification",
        "ResNet-18 with dropout .05 before its convolutions, for MC dropout",
        partial(ResNet, conv_dropout=0.05),
    ),
    NetworkSpec(
        "resnet34",
        "classification",
        "ResNet-34, 3x3 stem",
        partial(ResNet, blocks=RESNET34),
        dropout_variant="resnet34-mcd",
    ),
    NetworkSpec(
        "resnet34-mcd",
        "classification",
        "ResNet-34 with dropout .05 before its convolutions, for MC dropout",
        partial(ResNet, blocks=RESNET34, conv_dropout=0.05),
    ),
    NetworkSpec(
        "resnet34-imagenet",
        "classification",
        "ResNet-34, 7x7 stem",
        partial(ResNet, blocks=RESNET34, stem="imagenet"),
    ),
)
