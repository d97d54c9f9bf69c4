"""Energy (Liu et al., NeurIPS 2020): score = -T log sum_k exp(z_k / T)."""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.logits import LogitDetector
from lsood.probes import Subject


class Energy(LogitDetector):
    """The free energy of the logits. Segmentation: the mean over all pixels, T = 1 only.

    Args:
        temperature: T > 0; 1 in the paper.

    Example:
        >>> import torch
        >>> round(Energy().score(torch.zeros(1, 4)).item(), 4)  # -log 4
        -1.3863
    """

    name: ClassVar[str] = "energy"
    paper: ClassVar[str] = "Liu et al., NeurIPS 2020"
    pixel_score: ClassVar[str | None] = "energy"

    def __init__(self, temperature: float = 1.0) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature = temperature

    def attach(self, subject: Subject) -> Self:
        if subject.task == "segmentation" and self.temperature != 1:
            raise ValueError(f"energy: pixel scores are taken at temperature 1, got {self.temperature}")
        return super().attach(subject)

    def _anomaly(self, z: Tensor) -> Tensor:
        return -self.temperature * (z / self.temperature).logsumexp(1)
