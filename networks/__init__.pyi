from .checkpoint import load_weights, save_weights, weights_hash
from .models.deeplab import DeepLabV3Plus
from .models.densenet import DenseNet
from .models.detection.faster_rcnn import FasterRCNN
from .models.lenet import LeNet, LeNetMCD
from .models.resnet import ResNet
from .models.unet import UNet
from .models.vgg import PlainConvNet
from .models.wide_resnet import WideResNet
from .outside.adapter import adapt
from .outside.configuration import InputConfig
from .outside.opening import Opened, open_network, unwrapped
from .outside.wrapper import OutsideNetwork
from .presets import PRESETS, Preset, preset
from .registry import NETWORKS, build
from .spec import NetworkSpec
from .training.config import TrainingConfig, resolve_precision
from .training.fit import fit, seed_everything
from .training.losses import focal_loss, outlier_exposure_loss
from .training.tasks.classification import ClassificationModule
from .training.tasks.detection import DetectionModule
from .training.tasks.segmentation import SegmentationModule
from .training.trainer import LAST

__all__ = [
    "LAST",
    "NETWORKS",
    "PRESETS",
    "ClassificationModule",
    "DeepLabV3Plus",
    "DenseNet",
    "DetectionModule",
    "FasterRCNN",
    "InputConfig",
    "LeNet",
    "LeNetMCD",
    "NetworkSpec",
    "Opened",
    "OutsideNetwork",
    "PlainConvNet",
    "Preset",
    "ResNet",
    "SegmentationModule",
    "TrainingConfig",
    "UNet",
    "WideResNet",
    "adapt",
    "build",
    "fit",
    "focal_loss",
    "load_weights",
    "open_network",
    "outlier_exposure_loss",
    "preset",
    "resolve_precision",
    "save_weights",
    "seed_everything",
    "unwrapped",
    "weights_hash",
]
