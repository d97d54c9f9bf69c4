"""Every network by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from networks.deeplab import DeepLabV3Plus
from networks.lenet import LeNet
from networks.resnet import ResNet
from networks.unet import UNet


@dataclass(frozen=True)
class NetworkSpec:
    """Task, one line of description, and the constructor (num_classes, channels, **options)."""

    task: str
    description: str
    build: Callable[..., nn.Module]


NETWORKS: dict[str, NetworkSpec] = {
    "lenet": NetworkSpec("classification", "LeNet of the FSSD authors, 28x28, 1.2 M parameters", LeNet),
    "resnet18": NetworkSpec("classification", "ResNet-18, 3x3 stem for 32x32 images", ResNet),
    "resnet18-imagenet": NetworkSpec(
        "classification",
        "ResNet-18, 7x7 stem, dropout .3, as in LaREx",
        partial(ResNet, stem="imagenet", dropout=0.3),
    ),
    "resnet18-sn": NetworkSpec(
        "classification", "ResNet-18 with spectral norm on stages 3 and 4", partial(ResNet, spectral=True)
    ),
    "resnet34": NetworkSpec("classification", "ResNet-34, 3x3 stem", partial(ResNet, blocks=(3, 4, 6, 3))),
    "resnet18-small": NetworkSpec(
        "classification", "ResNet-18 a quarter as wide, for CPUs", partial(ResNet, width=16)
    ),
    "deeplabv3plus": NetworkSpec("segmentation", "DeepLabv3+ with ResNet-101, as in LaREx", DeepLabV3Plus),
    "deeplabv3plus-resnet18": NetworkSpec(
        "segmentation",
        "DeepLabv3+ with ResNet-18, for CPUs",
        partial(DeepLabV3Plus, encoder="resnet18", block_size=4),
    ),
    "unet": NetworkSpec("segmentation", "U-Net with 32 to 256 filters, as in LaREx", UNet),
    "unet-small": NetworkSpec(
        "segmentation",
        "U-Net with 12 to 96 filters, for CPUs",
        partial(UNet, filters=(12, 24, 48, 96), block_size=4),
    ),
}


def build(name: str, num_classes: int, channels: int = 3, **options: Any) -> nn.Module:
    """A network with random weights.

    Every network has ``feature_layers`` (names of layers whose outputs are features, shallow to deep) and
    ``latent_layer`` (name of the dropout layer that is sampled).

    Raises:
        ValueError: unknown name (the right ones are listed) or option.
    """
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown network {name!r}; {hint}networks: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name].build(num_classes, channels, **options)
    except TypeError as error:
        raise ValueError(f"network {name!r}: {error}") from error


def default_network(ind: str, miniature: bool) -> str:
    """The network a data set is benchmarked on when none is named; a small one for miniatures."""
    if ind == "fashion-mnist":
        return "lenet"
    if ind == "cifar10":
        return "resnet18-small" if miniature else "resnet18"
    return "deeplabv3plus-resnet18"
