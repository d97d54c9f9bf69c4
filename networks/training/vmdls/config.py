"""The settings of a VMDLS training. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from networks.training.config import TrainingConfig


@dataclass(frozen=True)
class VMDLSTrainingConfig(TrainingConfig):
    """A training config whose batches hold ``classes_per_batch`` classes with equally many images each.

    Attributes:
        classes_per_batch: B_c; B_s = batch_size / B_c.
        distancing_margin: M_d at the end; it starts at 0.15.
        margin_growth: by which M_d grows each epoch; 1 in the paper, whose trainings last 500.
        triplet_margin: M_t.
        kl_weight: of the divergence per dimension to the class Gaussians.
        normalise: distances between L2-normalised latent vectors, as in the released code.

    Raises:
        ValueError: as `TrainingConfig`, or a batch size that these classes cannot share, or a number out of range.
    """

    classes_per_batch: int = 10
    distancing_margin: float = 32.0
    margin_growth: float = 1.0
    triplet_margin: float = 0.1
    kl_weight: float = 0.1
    normalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes_per_batch < 2 or self.batch_size % self.classes_per_batch:
            raise ValueError(
                f"classes_per_batch must be at least 2 and divide batch_size {self.batch_size}, "
                f"got {self.classes_per_batch}"
            )
        if self.images_per_class < 2:
            raise ValueError(
                f"a batch needs two images of each class, batch_size {self.batch_size} of "
                f"{self.classes_per_batch} classes has one"
            )
        for name in ("distancing_margin", "margin_growth", "triplet_margin", "kl_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    @property
    def images_per_class(self) -> int:
        """B_s."""
        return self.batch_size // self.classes_per_batch
