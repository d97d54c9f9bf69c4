"""How a network is trained. Imports no torch before a device is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CHOICES = {
    "optimizer": ("sgd", "adam", "adam-l2", "adadelta"),
    "schedule": ("one-cycle", "cosine", "step", "multi-step", "none"),
    "loss": ("cross-entropy", "focal"),
    "precision": ("auto", "32-true", "bf16-mixed"),
    "class_weights": ("none", "log"),
}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training besides network, data, seed and device.

    Attributes:
        epochs, batch_size: of the training.
        optimizer: "sgd", "adam" (decoupled weight decay: AdamW), "adam-l2" (weight decay added to the
            gradient: the Adam of the older papers) or "adadelta" (rho .9).
        lr: peak learning rate. weight_decay: of every parameter.
        schedule: of the learning rate: "one-cycle" or "cosine" per step, "step" (times ``lr_factor`` after
            every epoch), "multi-step" (times ``lr_factor`` after each of ``milestones``) or "none".
        loss: "cross-entropy" or "focal".
        focal_gamma: of the focal loss.
        precision: "32-true", "bf16-mixed" or "auto", see :func:`resolve_precision`.
        outlier_weight: of the outliers' part of the loss, in trainings that have outliers; .5 in Hendrycks et
            al.
        momentum, nesterov: of "sgd".
        lr_factor: of "step" and "multi-step".
        milestones: of "multi-step", in epochs, rising.
        end_lr: of "cosine", its last value.
        channels_last: memory format while training; faster convolutions on GPUs, other rounding.
        compile: torch.compile, on a GPU only: on a CPU (torch 2.15, bfloat16) it gave DABNet a NaN gradient.
        class_weights: of the cross-entropy: "none", or "log": 1 / ln(1.1 + share of the class among the labels of the
            training set), as DABNet (Li et al., BMVC 2019) is trained, after ENet (Paszke et al., 2016).

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
    momentum: float = 0.9
    nesterov: bool = True
    lr_factor: float = 0.1
    milestones: tuple[int, ...] = ()
    end_lr: float = 0.0
    channels_last: bool = False
    compile: bool = False
    class_weights: str = "none"

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
        if not 0 <= self.end_lr <= self.lr:
            raise ValueError(f"end_lr must lie in 0 to lr ({self.lr}), got {self.end_lr}")
        if not 0 < self.lr_factor <= 1 or self.outlier_weight < 0:
            raise ValueError(
                "lr_factor must lie above 0 and up to 1, outlier_weight be at least 0; "
                f"got {self.lr_factor} and {self.outlier_weight}"
            )
        if not 0 <= self.momentum < 1 or (self.nesterov and self.momentum == 0):
            raise ValueError(f"momentum must lie in 0 to below 1, above 0 with nesterov; got {self.momentum}")
        self._check_milestones()

    def _check_milestones(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if bool(self.milestones) != (self.schedule == "multi-step"):
            raise ValueError(
                f'milestones belong to schedule "multi-step"; got {self.milestones} with {self.schedule!r}'
            )
        if any(a >= b for a, b in zip((0, *self.milestones), self.milestones, strict=False)):
            raise ValueError(f"milestones must be rising epochs above 0, got {self.milestones}")

    @property
    def gamma(self) -> float:
        """Exponent of the focal loss; 0 for cross-entropy."""
        return self.focal_gamma if self.loss == "focal" else 0.0

    def lr_share(self, epoch: int) -> float:
        """Learning rate of an epoch (from 0) as a share of ``lr``, for "step" and "multi-step"."""
        drops = epoch if self.schedule == "step" else sum(epoch >= milestone for milestone in self.milestones)
        return self.lr_factor**drops


def resolve_precision(config: TrainingConfig, device: torch.device | str) -> str:
    """ "32-true" or "bf16-mixed": the precision a config is trained with on a device.

    "auto" is bfloat16 where it is faster: on a GPU, and on a CPU with matrix units for it (AMX); float32
    elsewhere.
    """
    if config.precision != "auto":
        return config.precision
    import torch

    on_gpu = torch.device(device).type == "cuda"
    return "bf16-mixed" if on_gpu or _cpu_multiplies_bf16() else "32-true"


def _cpu_multiplies_bf16() -> bool:
    import torch

    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())
