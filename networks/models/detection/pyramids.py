"""Backbones with a feature pyramid (Lin et al., CVPR 2017): five levels of strides 4, 8, 16, 32 and 64."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn
from torchvision.models import ResNet50_Weights
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from networks.models.resnet import Block

STAGES = ("layer1", "layer2", "layer3", "layer4")
STRIDES = (4, 8, 16, 32, 64)
ENCODER_WEIGHTS = (None, "imagenet", "coco")
NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm2d, "frozen": FrozenBatchNorm2d}


def resnet50_pyramid(
    channels: int, norm: str = "batch", imagenet: bool = False, trainable_stages: int = 5
) -> BackboneWithFPN:
    """torchvision's ResNet-50 with 256 channels per level; ``imagenet``: weights downloaded by torchvision.

    Args:
        channels: of the images.
        norm: "batch", or "frozen": statistics that stay as they were loaded.
        trainable_stages: 0 (the pyramid alone) to 5 (everything), counted from the deepest.
    """
    weights = ResNet50_Weights.IMAGENET1K_V1 if imagenet else None
    pyramid = resnet_fpn_backbone(
        backbone_name="resnet50", weights=weights, norm_layer=NORMS[norm], trainable_layers=trainable_stages
    )
    if channels != 3:
        pyramid.body["conv1"] = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return pyramid


def small_pyramid(
    channels: int, widths: tuple[int, ...] = (16, 32, 64, 128), levels: int = 32
) -> BackboneWithFPN:
    """Four residual blocks under a pyramid with ``levels`` channels, for CPUs."""
    stem = nn.Sequential(
        nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
    )
    blocks = [Block(i, o, 2) for i, o in zip((widths[0], *widths), widths, strict=False)]
    body = nn.Sequential(OrderedDict([("stem", stem), *zip(STAGES, blocks, strict=True)]))
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return BackboneWithFPN(body, {stage: str(i) for i, stage in enumerate(STAGES)}, list(widths), levels)
