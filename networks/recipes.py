"""How a network is trained on a data set."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from networks.registry import NETWORKS

CHOICES = {
    "optimizer": ("sgd", "adam"),
    "schedule": ("one-cycle", "cosine", "none"),
    "loss": ("cross-entropy", "focal"),
    "precision": ("auto", "32-true", "bf16-mixed"),
}


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that determines a training besides network, data, seed and device.

    Attributes:
        epochs, batch_size: of the training.
        optimizer: "sgd" (Nesterov momentum .9) or "adam" (decoupled weight decay).
        lr: peak learning rate. weight_decay: of every parameter.
        schedule: "one-cycle", "cosine" or "none", per step.
        loss: "cross-entropy" or "focal".
        focal_gamma: of the focal loss.
        outlier_weight: of the outliers' part of the loss, in trainings that have outliers; .5 in Hendrycks et al.
        precision: "32-true", "bf16-mixed", or "auto", see `resolve_precision`.

    Raises:
        ValueError: an unknown choice or a number out of range.
    """

    epochs: int
    batch_size: int
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    loss: str = "cross-entropy"
    focal_gamma: float = 2.0
    precision: str = "auto"
    outlier_weight: float = 0.5

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}")
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}"
            )
        if self.lr <= 0 or self.weight_decay < 0 or self.focal_gamma < 0:
            raise ValueError(
                "lr must be above 0, weight_decay and focal_gamma at least 0; "
                f"got {self.lr}, {self.weight_decay} and {self.focal_gamma}"
            )

    @property
    def gamma(self) -> float:
        """Exponent of the focal loss; 0 for cross-entropy."""
        return self.focal_gamma if self.loss == "focal" else 0.0


def resolve_precision(recipe: TrainingRecipe, device: str) -> str:
    """What "auto" means on a device: bfloat16 on GPUs and on processors that multiply it in hardware."""
    if recipe.precision != "auto":
        return recipe.precision
    native = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bf16-mixed" if device.startswith("cuda") or native() else "32-true"


def default_recipe(network: str, ind: str, miniature: bool) -> TrainingRecipe:
    """The recipe a network is trained with on a data set when nothing else is asked for.

    Miniatures train in well under a minute on two CPU cores, FashionMNIST and CamVid in minutes; the others
    are meant for a GPU. A network that is none of ours gets the recipe of the classifiers.
    """
    if network in NETWORKS and NETWORKS[network].task == "segmentation":
        if miniature:
            return TrainingRecipe(10, 4, "adam", 1e-2, 1e-4)
        if ind == "camvid":
            return TrainingRecipe(10, 8, "adam", 3e-3, 1e-4)
        return TrainingRecipe(60, 8, "adam", 2e-3, 1e-4)
    if miniature:
        return TrainingRecipe(8, 64, "adam", 3e-3, 1e-4)
    if network == "lenet":
        return TrainingRecipe(8, 128, "adam", 3e-3)
    return TrainingRecipe(30, 128, "sgd", 0.2, 5e-4)
