"""Named trainings: a network and a training config each, with their source. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lsood.deprecated import alias
from lsood.text import unknown
from networks.registry import NETWORKS
from networks.training.config import TrainingConfig

FSSD = "Huang et al., SafeAI@AAAI 2021 (FSSD), released code"
LAREX = "Arnez et al., UAI 2024 (LaREx), released code"
VMDLS = "Dinari and Freifeld, UAI 2022 (VMDLS), supplement, table 1"
OWN = "this project"
ONE_GPU = f"{OWN}, for minutes on one GPU; not yet measured on one"


@dataclass(frozen=True)
class Preset:
    """A network, its training config, and their source.

    Attributes:
        network: a name of ``NETWORKS``.
        config: of the training.
        paper: the source, and what is done differently here.
        options: of the network's constructor.
        extra: further settings of the source, for which `TrainingConfig` has no field (VMDLS: its metric loss and its
            batches; "head_lr" is the column "fine-tune LR" of its table, which does not name one of the two phases).
    """

    network: str
    config: TrainingConfig
    paper: str
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)

    recipe = alias("recipe", "config")


def _float32(*args: Any, **settings: Any) -> TrainingConfig:
    return TrainingConfig(*args, **{"precision": "32-true"} | settings)


def _fast(epochs: int, lr: float, weight_decay: float = 5e-4, batch_size: int = 256) -> TrainingConfig:
    return TrainingConfig(
        epochs, batch_size, "sgd", lr, weight_decay, "one-cycle", channels_last=True, compile=True
    )


def _fast_dense(epochs: int, lr: float) -> TrainingConfig:
    return TrainingConfig(epochs, 16, "adam", lr, 1e-4, channels_last=True, compile=True)


def _vmdls(network: str, optimizer: str, lr: float, dimension: int, classes: int, images: int) -> Preset:
    config = _float32(
        500,
        classes * images,
        "adam-l2" if optimizer == "adam" else optimizer,
        lr,
        1e-4 if optimizer == "sgd" else 0.0,
        "multi-step",
        milestones=(100, 200, 300, 400),
    )
    paper = f"{VMDLS}; trained with its own loss; 1/5 of the images per class in the first 150 epochs"
    return Preset(network, config, paper, extra=_vmdls_loss(dimension, classes, images))


def _vmdls_loss(dimension: int, classes: int, images: int) -> dict[str, float]:
    return {
        "latent_dimension": dimension,
        "distancing_margin": dimension,
        "triplet_margin": 0.1,
        "classes_per_batch": classes,
        "images_per_class": images,
    }


def _vmdls_tuned(network: str, lr: float, dimension: int, classes: int, images: int) -> Preset:
    config = _float32(130, classes * images, "sgd", lr, 1e-4, "multi-step", milestones=(64, 128))
    paper = f"{VMDLS}; its own loss, from a trained softmax network, after head_epochs of the new heads alone"
    extra = {**_vmdls_loss(dimension, classes, images), "head_epochs": 20, "head_lr": 0.01}
    return Preset(network, config, paper, extra=extra)


PRESETS: dict[str, Preset] = {
    "fssd-lenet": Preset(
        "lenet",
        _float32(14, 64, "adadelta", 1.0, schedule="step", lr_factor=0.7),
        f"{FSSD} for FashionMNIST; theirs has Dropout2d(.25) where this one has DropBlock, and shuffles on a GPU only",
    ),
    "fssd-lenet-mcd": Preset(
        "lenet-mcd",
        _float32(14, 64, "adadelta", 1.0, schedule="step", lr_factor=0.7),
        f"{FSSD}, first commit, for FashionMNIST; the schedule of its LeNet",
    ),
    "fssd-resnet34": Preset(
        "resnet34",
        _float32(350, 128, "sgd", 0.1, 5e-4, "multi-step", nesterov=False, milestones=(150, 250)),
        f"{FSSD} for CIFAR-10; theirs makes the optimiser anew, without momentum, at each drop and keeps the epoch of "
        "the best test accuracy; here momentum goes on and the last epoch is kept",
    ),
    "odin-densenet": Preset(
        "densenet-bc-100",
        _float32(300, 64, "sgd", 0.1, 1e-4, "multi-step", milestones=(150, 225)),
        "Liang et al., ICLR 2018 (ODIN) published weights, not how they were made; "
        "training settings of Huang et al., CVPR 2017 (DenseNet), for CIFAR",
    ),
    "odin-wrn": Preset(
        "wrn-28-10",
        _float32(200, 128, "sgd", 0.1, 5e-4, "multi-step", lr_factor=0.2, milestones=(60, 120, 160)),
        "Liang et al., ICLR 2018 (ODIN) published weights, not how they were made; "
        "training settings of Zagoruyko and Komodakis, BMVC 2016 (wide ResNet), for CIFAR",
    ),
    "openood-resnet18": Preset(
        "resnet18",
        _float32(100, 128, "sgd", 0.1, 5e-4, "cosine", end_lr=1e-6),
        "Zhang et al., 2023 (OpenOOD v1.5) for CIFAR-10; theirs keeps the epoch of the best validation accuracy",
    ),
    "oe-wrn": Preset(
        "wrn-40-2",
        _float32(100, 128, "sgd", 0.1, 5e-4, "cosine", end_lr=1e-6),
        "Hendrycks et al., ICLR 2019 (outlier exposure), released code, from scratch; with batches of 256 outliers",
        {"dropout": 0.3},
    ),
    "larex-resnet18": Preset(
        "resnet18-imagenet",
        _float32(300, 64, "adam-l2", 1e-4, 1e-4, "cosine", "focal", 4.0, end_lr=1e-5),
        f"{LAREX}, images of 128x128; theirs has Adam's epsilon 1e-7 and keeps the epoch of the lowest validation loss",
    ),
    "larex-resnet18-sn": Preset(
        "resnet18-sn",
        _float32(300, 64, "adam-l2", 1e-4, 1e-4, "cosine", "focal", 4.0, end_lr=1e-5),
        f"{LAREX}, images of 128x128; theirs has Adam's epsilon 1e-7 and keeps the epoch of the lowest validation loss",
        {"stem": "imagenet", "dropout": 0.3},
    ),
    "larex-deeplab": Preset(
        "deeplabv3plus",
        _float32(100, 16, "sgd", 1e-3, 5e-4, "none", "focal", 2.0, nesterov=False),
        f"{LAREX}; its cosine ends at the rate it starts from; theirs keeps the epoch of the best validation IoU",
        {"encoder_weights": "imagenet"},
    ),
    "larex-unet": Preset(
        "unet",
        _float32(100, 16, "adam-l2", 2.5e-5, schedule="cosine", end_lr=2.3e-5),
        f"{LAREX}, for Cityscapes; the number of epochs is not given, this is that of its DeepLabv3+",
    ),
    "larex-unet-woodscape": Preset(
        "unet",
        _float32(100, 16, "adam-l2", 2.5e-5, schedule="cosine", end_lr=2.3e-5),
        f"{LAREX}, for WoodScape; the number of epochs is not given, this is that of its DeepLabv3+",
        {"filters": (32, 64, 128)},
    ),
    "larex-faster-rcnn": Preset(
        "faster-rcnn",
        _float32(12, 16, "sgd", 1e-4, 1e-4, "none", nesterov=False),
        f"{LAREX}, 52,000 batches of 16; theirs starts from weights for BDD100k of Du et al., ICLR 2022 (VOS) and "
        "warms up over 1,000 batches; here it starts from torchvision's for COCO without the class layer, at full rate",
        {"encoder_weights": "coco", "norm": "frozen", "trainable_stages": 0},
    ),
    "vmdls-mnist": _vmdls("vmdls-convnet", "adam", 1e-4, 32, 10, 64),
    "vmdls-vgg": _vmdls("vgg", "adam", 1e-3, 32, 8, 40),
    "vmdls-resnet18": _vmdls("resnet18", "sgd", 1e-2, 32, 10, 40),
    "vmdls-resnet34": _vmdls("resnet34", "sgd", 5e-3, 32, 10, 8),
    "vmdls-densenet": _vmdls("densenet-bc-100", "sgd", 0.1, 32, 10, 40),
    "vmdls-wrn": _vmdls_tuned("wrn-28-10", 1e-3, 32, 10, 20),
    "vmdls-densenet-cifar100": _vmdls_tuned("densenet-bc-100", 1e-4, 64, 20, 20),
    "fast-dabnet": Preset(
        "dabnet",
        TrainingConfig(50, 4, "adam", 2e-3, 1e-2, precision="bf16-mixed", class_weights="log"),
        f"{OWN}, for CamVid at 360 x 480 from scratch, 4,600 steps of a second on two CPU cores; Li et al., BMVC 2019 "
        "(DABNet) train 1,000 epochs with Adam (.001, poly) on training and validation frames",
    ),
    "fast-lenet": Preset(
        "lenet", TrainingConfig(**NETWORKS.about("lenet", "training_config")), f"{OWN}, minutes on a CPU"
    ),
    "fast-resnet18": Preset("resnet18", _fast(35, 0.4), ONE_GPU),
    "fast-resnet34": Preset("resnet34", _fast(35, 0.4), ONE_GPU),
    "fast-densenet": Preset("densenet-bc-100", _fast(40, 0.4, 2e-4), ONE_GPU),
    "fast-wrn": Preset("wrn-28-10", _fast(30, 0.2, batch_size=128), ONE_GPU),
    "fast-vgg": Preset("vgg", _fast(40, 0.1), ONE_GPU),
    "fast-deeplab": Preset("deeplabv3plus", _fast_dense(40, 1e-3), ONE_GPU, {"encoder_weights": "imagenet"}),
    "fast-unet": Preset("unet", _fast_dense(60, 3e-3), ONE_GPU),
}


def preset(name: str) -> Preset:
    """A named training.

    Raises:
        ValueError: unknown name; the right ones are listed.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
