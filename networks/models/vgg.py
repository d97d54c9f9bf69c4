"""The plain convolutional networks of VMDLS (Dinari and Freifeld, UAI 2022): its VGG and its MNIST convnet."""

from __future__ import annotations

from functools import partial

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.spec import NetworkSpec


class PlainConvNet(nn.Module):
    """Three stages of 3x3 convolutions with a max-pool behind each, hidden linear layers, a last linear one.

    The defaults are the VGG of VMDLS: 8 convolutions with batch norm, two hidden layers of 1024. Its MNIST
    convnet has stages of (2, 2, 1) x 100 without batch norm and one hidden layer of 500. Convolution j of
    stage i after its ReLU is the layer "stage{i}.{j - 1}". DropBlock2D (p .4, block 3) behind the second pool
    and the last linear layer are additions of this project: VMDLS has neither dropout nor softmax.

    Args:
        num_classes: K.
        channels: of the images (B, channels, H, W).
        stages: channels of every convolution, for each of three stages.
        hidden: widths of the hidden linear layers, at least one.
        image_size: (H, W), at least 12 x 12; fixes the width of the first linear layer.
        batch_norm: behind every convolution.

    Raises:
        ValueError: other than three stages, an empty one, no hidden layer, ``image_size`` below 12 x 12; in a
            forward pass, images of another size.
    """

    feature_layers = ("stage1", "stage2", "stage3", "hidden")
    latent_layer = "drop_block"
    head_layer = "fc"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        stages: tuple[tuple[int, ...], ...] = ((64, 128), (256, 256), (256, 256, 256, 256)),
        hidden: tuple[int, ...] = (1024, 1024),
        image_size: tuple[int, int] = (32, 32),
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        height, width = self.image_size = tuple(image_size)
        if len(stages) != 3 or not all(stages) or not hidden:
            raise ValueError(f"three stages and a hidden layer are needed, got {stages} and {hidden}")
        if min(height, width) < 12:
            raise ValueError(f"this network needs images of at least 12x12 pixels, got {height}x{width}")
        self.stage1 = self._stage(channels, stages[0], batch_norm)
        self.stage2 = self._stage(stages[0][-1], stages[1], batch_norm)
        self.drop_block = DropBlock2D(0.4, 3)
        self.stage3 = self._stage(stages[1][-1], stages[2], batch_norm)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Sequential()
        inputs = stages[2][-1] * (height // 8) * (width // 8)
        for outputs in hidden:
            self.hidden.extend([nn.Linear(inputs, outputs), nn.ReLU()])
            inputs = outputs
        self.fc = nn.Linear(inputs, num_classes)

    @staticmethod
    def _stage(inputs: int, widths: tuple[int, ...], batch_norm: bool) -> nn.Sequential:
        stage = nn.Sequential()
        for outputs in widths:
            norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
            stage.append(nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU()))
            inputs = outputs
        return stage

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K)."""
        if tuple(x.shape[-2:]) != self.image_size:
            (height, width), given = self.image_size, f"{x.shape[-2]}x{x.shape[-1]}"
            raise ValueError(f"this network takes images of {height}x{width} (image_size), got {given}")
        x = self.pool(self.stage2(self.pool(self.stage1(x))))
        x = self.pool(self.stage3(self.drop_block(x)))
        return self.fc(self.hidden(torch.flatten(x, 1)))


NETWORKS = (
    NetworkSpec(
        "vgg", "classification", "VGG of VMDLS, 32x32: 8 convolutions, 2 hidden layers", PlainConvNet
    ),
    NetworkSpec(
        "vmdls-convnet",
        "classification",
        "MNIST network of VMDLS, 28x28: 5 convolutions, 1 hidden layer",
        partial(
            PlainConvNet,
            stages=((100, 100), (100, 100), (100,)),
            hidden=(500,),
            image_size=(28, 28),
            batch_norm=False,
        ),
    ),
)
