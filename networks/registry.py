"""Every network by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from networks.models.deeplab import DeepLabV3Plus
from networks.models.densenet import DenseNet
from networks.models.detection.faster_rcnn import FasterRCNN, SmallFasterRCNN
from networks.models.lenet import LeNet, LeNetMCD
from networks.models.resnet import ResNet
from networks.models.unet import UNet
from networks.models.vgg import PlainConvNet
from networks.models.wide_resnet import WideResNet


@dataclass(frozen=True)
class NetworkSpec:
    """Task, one line of description, and the constructor (num_classes, channels, **options)."""

    task: str
    description: str
    build: Callable[..., nn.Module]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options of the constructor."""
        return tuple(
            n for n in inspect.signature(self.build).parameters if n not in ("num_classes", "channels")
        )


def _classifier(description: str, build: Callable[..., nn.Module]) -> NetworkSpec:
    return NetworkSpec("classification", description, build)


def _segmenter(description: str, build: Callable[..., nn.Module]) -> NetworkSpec:
    return NetworkSpec("segmentation", description, build)


def _detector(description: str, build: Callable[..., nn.Module]) -> NetworkSpec:
    return NetworkSpec("detection", description, build)


NETWORKS: dict[str, NetworkSpec] = {
    "lenet": _classifier("LeNet of the FSSD authors, 28x28, 1.2 M parameters", LeNet),
    "lenet-mcd": _classifier("LeNet with dropout before every layer, for MC dropout", LeNetMCD),
    "resnet18": _classifier("ResNet-18, 3x3 stem for 32x32 images", ResNet),
    "resnet18-imagenet": _classifier(
        "ResNet-18, 7x7 stem, dropout .3, as in LaREx", partial(ResNet, stem="imagenet", dropout=0.3)
    ),
    "resnet18-sn": _classifier(
        "ResNet-18, spectral norm on stages 3 and 4 and the last layer, as in LaREx",
        partial(ResNet, spectral_norm=True),
    ),
    "resnet18-small": _classifier("ResNet-18 a quarter as wide, for CPUs", partial(ResNet, width=16)),
    "resnet18-mcd": _classifier(
        "ResNet-18 with dropout .05 before its convolutions, for MC dropout",
        partial(ResNet, conv_dropout=0.05),
    ),
    "resnet34": _classifier("ResNet-34, 3x3 stem", partial(ResNet, blocks=(3, 4, 6, 3))),
    "resnet34-mcd": _classifier(
        "ResNet-34 with dropout .05 before its convolutions, for MC dropout",
        partial(ResNet, blocks=(3, 4, 6, 3), conv_dropout=0.05),
    ),
    "resnet34-imagenet": _classifier(
        "ResNet-34, 7x7 stem", partial(ResNet, blocks=(3, 4, 6, 3), stem="imagenet")
    ),
    "densenet-bc-100": _classifier("DenseNet-BC, depth 100, growth 12, 0.77 M parameters", DenseNet),
    "wrn-28-10": _classifier("Wide ResNet, 36.5 M parameters", WideResNet),
    "wrn-40-2": _classifier("Wide ResNet, 2.2 M parameters", partial(WideResNet, depth=40, width=2)),
    "vgg": _classifier("VGG of VMDLS, 32x32: 8 convolutions, 2 hidden layers", PlainConvNet),
    "vmdls-convnet": _classifier(
        "MNIST network of VMDLS, 28x28: 5 convolutions, 1 hidden layer",
        partial(
            PlainConvNet,
            stages=((100, 100), (100, 100), (100,)),
            hidden=(500,),
            image_size=(28, 28),
            batch_norm=False,
        ),
    ),
    "deeplabv3plus": _segmenter("DeepLabv3+ with ResNet-101, as in LaREx", DeepLabV3Plus),
    "deeplabv3plus-resnet18": _segmenter(
        "DeepLabv3+ with ResNet-18", partial(DeepLabV3Plus, encoder="resnet18", block_size=4)
    ),
    "deeplabv3plus-small": _segmenter(
        "DeepLabv3+ with a small MobileNetV3, for CPUs and miniatures",
        partial(DeepLabV3Plus, encoder="tu-mobilenetv3_small_100", decoder_channels=64, block_size=4),
    ),
    "unet": _segmenter("U-Net with 32 to 256 filters, as in LaREx", UNet),
    "unet-small": _segmenter(
        "U-Net with 12 to 96 filters, for CPUs", partial(UNet, filters=(12, 24, 48, 96), block_size=4)
    ),
    "faster-rcnn": _detector("Faster R-CNN with ResNet-50 and feature pyramid, as in LaREx", FasterRCNN),
    "faster-rcnn-small": _detector("Faster R-CNN, thin, for CPUs and miniatures", SmallFasterRCNN),
}

DEFAULTS = {  # in-distribution set: (network, network of its miniature)
    "fashion-mnist": ("lenet", "lenet"),
    "mnist": ("lenet", "lenet"),
    "cifar10": ("resnet18", "resnet18-small"),
    "gtsrb": ("resnet18-imagenet", "resnet18-small"),
    "cifar100": ("resnet18", "resnet18-small"),
    "cityscapes": ("deeplabv3plus-resnet18", "deeplabv3plus-small"),
    "woodscape": ("deeplabv3plus-resnet18", "deeplabv3plus-small"),
    "bdd100k": ("faster-rcnn", "faster-rcnn-small"),
    "bdd100k-seg": ("deeplabv3plus-resnet18", "deeplabv3plus-small"),
    "camvid": ("deeplabv3plus-resnet18", "deeplabv3plus-small"),
}


def build(name: str, num_classes: int, channels: int = 3, **options: Any) -> nn.Module:
    """A network with random weights.

    Every network has ``feature_layers`` (names of layers whose outputs are features, shallow to deep, without
    the logits) and ``latent_layer`` (name of the dropout layer that is sampled); each of these layers is
    called once in a forward pass, a detector's ``latent_layer`` once per level of its pyramid. Classifiers and
    detectors have ``head_layer`` too (name of the last linear layer; its input is the pooled output of a classifier's
    last feature layer, or a region's features).

    Args:
        name: one of ``NETWORKS``.
        num_classes: K.
        channels: of the images.
        options: of the network, e.g. ``image_size=(32, 32)`` of lenet; see ``NETWORKS[name].options``.

    Raises:
        ValueError: unknown name or option (the right ones are listed), or an option out of range.
    """
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown network {name!r}; {hint}networks: {', '.join(NETWORKS)}")
    spec = NETWORKS[name]
    if unknown := [option for option in options if option not in spec.options]:
        raise ValueError(
            f"network {name!r} has no option {unknown[0]!r}; its options: {', '.join(spec.options)}"
        )
    if num_classes < 1 or channels < 1:
        raise ValueError(f"num_classes and channels must be at least 1, got {num_classes} and {channels}")
    return spec.build(num_classes, channels, **options)


def default_network(ind: str, miniature: bool) -> str:
    """The network a data set is benchmarked on when none is named.

    Raises:
        ValueError: a data set without one.
    """
    if ind not in DEFAULTS:
        raise ValueError(f"no default network for {ind!r}; name one of {', '.join(NETWORKS)}")
    return DEFAULTS[ind][miniature]
