"""Networks with a DropBlock or dropout layer to sample, their training and their weights on disk."""

from networks.checkpoint import load_weights, save_weights, weights_hash
from networks.deeplab import DeepLabV3Plus
from networks.densenet import DenseNet
from networks.faster_rcnn import FasterRCNN
from networks.lenet import LeNet, LeNetMCD
from networks.losses import focal_loss, outlier_exposure_loss
from networks.presets import PRESETS, Preset, preset
from networks.recipes import TrainingRecipe, default_recipe, resolve_precision
from networks.registry import NETWORKS, NetworkSpec, build, default_network
from networks.resnet import ResNet
from networks.training import (
    LAST,
    ClassificationModule,
    DetectionModule,
    SegmentationModule,
    fit,
    seed_everything,
)
from networks.unet import UNet
from networks.vgg import PlainConvNet
from networks.wide_resnet import WideResNet

__all__ = [
    "LAST",
    "NETWORKS",
    "PRESETS",
    "ClassificationModule",
    "DeepLabV3Plus",
    "DenseNet",
    "DetectionModule",
    "FasterRCNN",
    "LeNet",
    "LeNetMCD",
    "NetworkSpec",
    "PlainConvNet",
    "Preset",
    "ResNet",
    "SegmentationModule",
    "TrainingRecipe",
    "UNet",
    "WideResNet",
    "build",
    "default_network",
    "default_recipe",
    "fit",
    "focal_loss",
    "load_weights",
    "outlier_exposure_loss",
    "preset",
    "resolve_precision",
    "save_weights",
    "seed_everything",
    "weights_hash",
]
