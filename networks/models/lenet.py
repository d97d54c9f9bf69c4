"""The two LeNets of the FSSD authors: one with DropBlock for latent samples, one for MC dropout."""

from __future__ import annotations

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.spec import NetworkSpec


class LeNet(nn.Module):
    """conv 32 - conv 64 - max-pool - fc 128 - fc K, 1.2 M parameters at 28 x 28.

    DropBlock2D (p .25, block 3) on the pooled map takes the place of the authors' Dropout2d(.25); Dropout(.5)
    before the last layer. ``relu1`` and ``relu2`` lie before the max-pool, as FSSD (SafeAI 2021) hooks them.

    Args:
        num_classes: K.
        channels: of the images (B, channels, H, W).
        image_size: (H, W), at least 16 x 16; fixes the width of the first fully connected layer.

    Raises:
        ValueError: ``image_size`` below 16 x 16, or, in a forward pass, images of another size.
    """

    feature_layers = ("relu1", "relu2", "relu3")
    latent_layer = "drop_block"
    head_layer = "fc2"

    def __init__(self, num_classes: int, channels: int = 3, image_size: tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        height, width = self.image_size = tuple(image_size)
        if min(height, width) < 16:
            raise ValueError(f"lenet needs images of at least 16x16 pixels, got {height}x{width}")
        self.conv1, self.relu1 = nn.Conv2d(channels, 32, 3), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(32, 64, 3), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.drop_block = DropBlock2D(0.25, 3)
        self.fc1, self.relu3 = nn.Linear(64 * ((height - 4) // 2) * ((width - 4) // 2), 128), nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        if tuple(x.shape[-2:]) != self.image_size:
            (height, width), given = self.image_size, f"{x.shape[-2]}x{x.shape[-1]}"
            raise ValueError(f"this lenet takes images of {height}x{width} pixels (image_size), got {given}")
        x = torch.flatten(self.features(x), 1)
        return self.fc2(self.dropout(self.relu3(self.fc1(x))))

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 64, H/2 - 2, W/2 - 2)."""
        return self.drop_block(self.pool(self.relu2(self.conv2(self.relu1(self.conv1(x))))))


class LeNetMCD(LeNet):
    """LeNet with Dropout(p) before each of its four layers: on the pixels, before conv2, after the pool and
    after fc1.

    The network of the MC-dropout column of Huang et al. (SafeAI 2021; the first commit of their repository,
    where p is .5 on FashionMNIST). Deviations: their code has no ReLU after fc1, here there is one as in
    their other LeNet; its log-softmax is commented out, so that the ``nll_loss`` of their training script
    would have no minimum on it, here it is trained with cross-entropy. Dropout is element-wise, as theirs
    here; the Dropout2d of their other networks would blank whole grey images.

    ``latent_layer`` is the dropout after the pool. Random layers lie upstream of it, so latent samples cost a
    full pass each.

    Args:
        num_classes, channels, image_size: as of :class:`LeNet`.
        drop_probability: p, 0 to below 1.

    Raises:
        ValueError: ``drop_probability`` out of range, or as of :class:`LeNet`.
    """

    latent_layer = "dropout_pool"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        image_size: tuple[int, int] = (28, 28),
        drop_probability: float = 0.5,
    ) -> None:
        if not 0 <= drop_probability < 1:
            raise ValueError(f"drop_probability must lie in 0 to below 1, got {drop_probability}")
        super().__init__(num_classes, channels, image_size)
        del self.drop_block
        self.dropout_pixels, self.dropout_maps = nn.Dropout(drop_probability), nn.Dropout(drop_probability)
        self.dropout_pool, self.dropout = nn.Dropout(drop_probability), nn.Dropout(drop_probability)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 64, H/2 - 2, W/2 - 2)."""
        x = self.relu1(self.conv1(self.dropout_pixels(x)))
        x = self.relu2(self.conv2(self.dropout_maps(x)))
        return self.dropout_pool(self.pool(x))


NETWORKS = (
    NetworkSpec(
        "lenet",
        "classification",
        "LeNet of the FSSD authors, 28x28, 1.2 M parameters",
        LeNet,
        training_config={
            "epochs": 6,
            "batch_size": 128,
            "optimizer": "adam",
            "lr": 3e-3,
            "channels_last": True,
        },
        dropout_variant="lenet-mcd",
    ),
    NetworkSpec(
        "lenet-mcd", "classification", "LeNet with dropout before every layer, for MC dropout", LeNetMCD
    ),
)
