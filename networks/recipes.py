"""How a network is trained on a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that determines a training besides network, data and seed.

    Attributes:
        epochs, batch_size: of the training.
        optimizer: "sgd" (Nesterov momentum .9) or "adam".
        lr: peak learning rate. schedule: "one-cycle", "cosine" or "none", per step.
        focal_gamma: 0 for cross-entropy.
        precision: of Lightning's trainer; on a GPU "32-true" becomes "bf16-mixed".
    """

    epochs: int
    batch_size: int
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    focal_gamma: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}"
            )
        if self.optimizer not in ("sgd", "adam"):
            raise ValueError(f'optimizer must be "sgd" or "adam", got {self.optimizer!r}')
        if self.schedule not in ("one-cycle", "cosine", "none"):
            raise ValueError(f'schedule must be "one-cycle", "cosine" or "none", got {self.schedule!r}')


def default_recipe(network: str, ind: str, miniature: bool) -> TrainingRecipe:
    """The recipe a network is trained with on a data set when nothing else is asked for."""
    segmentation = network.startswith(("deeplab", "unet"))
    if segmentation:
        epochs = 6 if miniature else {"camvid": 30}.get(ind, 60)
        return TrainingRecipe(epochs, 8, "adam", 2e-3, 1e-4)
    if miniature:
        return TrainingRecipe(8, 64, "adam", 3e-3, 1e-4)
    if network == "lenet":
        return TrainingRecipe(5, 128, "adam", 2e-3)
    return TrainingRecipe(30, 128, "sgd", 0.2, 5e-4)
