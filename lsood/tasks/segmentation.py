"""Semantic segmentation: logits for every pixel; an image's score is the mean over its pixels."""

from __future__ import annotations

from typing import ClassVar

from lsood.probes.base import ModelInfo, Probe
from lsood.probes.pixels import PIXEL_SCORES, Confusion, PixelScores
from lsood.tasks.base import MeanScores, Task


class Segmentation(Task):
    """One class per pixel."""

    task: ClassVar[str] = "segmentation"

    @classmethod
    def mean_scores(cls) -> MeanScores:
        return MeanScores(PixelScores(), PIXEL_SCORES, "pixel")

    @classmethod
    def probes(cls, model_info: ModelInfo) -> list[Probe]:
        return [PixelScores(), Confusion(model_info.num_classes)]
