"""Generalised entropy (Liu, Lochman & Zach, CVPR 2023): score = sum over the M largest p of p^g (1 - p)^g.

p: softmax of the logits.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.logits.base import LogitDetector, checked_over
from lsood.probes.image import ModelInfo
from lsood.probes.logit_scores import generalised_entropy
from lsood.probes.pixel.generalised_entropy import GENMaps, GENMeans
from lsood.tasks.base import MeanScores

GAMMA, LARGEST = 0.1, 100


class GEN(LogitDetector):
    """Generalised entropy of the softmax. Segmentation: the mean over all pixels, each with its own p. Detection: the
    mean over detections, with g = 0.1 and M = 100.

    Args:
        gamma: g in (0, 1]; 0.1 in the paper and in OpenOOD.
        largest: M, at most all classes; 100 in OpenOOD (10 % of the classes on ImageNet in the paper).
        over: boxes of an object detector, see `LogitDetector`.
    """

    name: ClassVar[str] = "gen"
    paper: ClassVar[str] = "Liu et al., CVPR 2023"
    formula: ClassVar[str] = "sum of p^.1 (1 - p)^.1 over the 100 largest p"
    checked: ClassVar[str] = "pytorch-ood; the closed form where p is 1 in float64"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    logit_score: ClassVar[str | None] = "gen"

    def __init__(self, gamma: float = GAMMA, largest: int = LARGEST, over: str | None = None) -> None:
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {gamma}")
        if largest < 1:
            raise ValueError(f"largest must be at least 1, got {largest}")
        self.gamma, self.largest, self.over = gamma, largest, checked_over(over)

    def attach(self, model_info: ModelInfo) -> Self:
        if model_info.task == "detection" and (self.gamma, self.largest) != (GAMMA, LARGEST):
            raise ValueError(f"gen: detections are scored with gamma {GAMMA} and the {LARGEST} largest")
        return super().attach(model_info)

    def _means_of(self, task: str) -> MeanScores | None:
        if task == "segmentation":
            return MeanScores(GENMeans(self.gamma, self.largest), ("gen",), "pixel")
        return super()._means_of(task)

    def pixel_probe(self) -> GENMaps:
        return GENMaps(self.gamma, self.largest)

    def _anomaly(self, z: Tensor) -> Tensor:
        return generalised_entropy(z, self.gamma, self.largest)
