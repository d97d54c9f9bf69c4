"""Networks with a DropBlock or dropout layer to sample, their training and their weights on disk."""

from networks.checkpoint import load_weights, save_weights, weights_hash
from networks.models.deeplab import DeepLabV3Plus
from networks.models.densenet import DenseNet
from networks.models.detection.faster_rcnn import FasterRCNN
from networks.models.lenet import LeNet, LeNetMCD
from networks.models.resnet import ResNet
from networks.models.unet import UNet
from networks.models.vgg import PlainConvNet
from networks.models.wide_resnet import WideResNet
from networks.presets import PRESETS, Preset, preset
from networks.registry import NETWORKS, NetworkSpec, build, default_network
from networks.training.config import TrainingConfig, default_training_config, resolve_precision
from networks.training.fit import (
    LAST,
    ClassificationModule,
    DetectionModule,
    SegmentationModule,
    fit,
    seed_everything,
)
from networks.training.losses import focal_loss, outlier_exposure_loss

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
    "TrainingConfig",
    "UNet",
    "WideResNet",
    "build",
    "default_network",
    "default_training_config",
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
