from .checkpoint import load_weights, save_weights, weights_hash
from .models.deeplab import DeepLabV3Plus
from .models.densenet import DenseNet
from .models.detection.faster_rcnn import FasterRCNN
from .models.lenet import LeNet, LeNetMCD
from .models.resnet import ResNet
from .models.unet import UNet
from .models.vgg import PlainConvNet
from .models.wide_resnet import WideResNet
from .presets import PRESETS, Preset, preset
from .registry import NETWORKS, NetworkSpec, build, default_network
from .training.config import TrainingConfig, default_training_config, resolve_precision
from .training.fit import (
    LAST,
    ClassificationModule,
    DetectionModule,
    SegmentationModule,
    fit,
    seed_everything,
)
from .training.losses import focal_loss, outlier_exposure_loss

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
