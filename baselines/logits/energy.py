"""Energy (Liu et al., NeurIPS 2020): score = -T log sum_k exp(z_k / T).

z: the logits.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.logits.base import LogitDetector, checked_over
from lsood.probes.image import ModelInfo
from lsood.probes.logit_scores import energy
from lsood.tasks import TASKS


class Energy(LogitDetector):
    """The free energy of the logits. Segmentation: the mean over all pixels, detection: over detections, T = 1 only.

    Args:
        temperature: T > 0; 1 in the paper.
        over: boxes of an object detector, see `LogitDetector`.

    Example:
        >>> import torch
        >>> round(Energy().score(torch.zeros(1, 4)).item(), 4)  # -log 4
        -1.3863
    """

    name: ClassVar[str] = "energy"
    paper: ClassVar[str] = "Liu et al., NeurIPS 2020"
    formula: ClassVar[str] = "- T log sum exp(z / T), T = 1"
    checked: ClassVar[str] = "pytorch-ood, also at T = 7"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    logit_score: ClassVar[str | None] = "energy"

    def __init__(self, temperature: float = 1.0, over: str | None = None) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature, self.over = temperature, checked_over(over)

    def attach(self, model_info: ModelInfo) -> Self:
        means = TASKS[model_info.task].mean_scores()
        if means is not None and self.temperature != 1:
            raise ValueError(f"energy: {means.of} scores are taken at temperature 1, got {self.temperature}")
        return super().attach(model_info)

    def _anomaly(self, z: Tensor) -> Tensor:
        return energy(z, self.temperature)
