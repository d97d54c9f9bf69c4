"""Object detection: logits for every box; an image's score is the mean over its boxes. Images differ in size."""

from __future__ import annotations

from typing import ClassVar

from lsood.probes.base import ModelInfo, Probe
from lsood.probes.detection_logits import DETECTION_SCORES, OVER, DetectionScores
from lsood.tasks.base import MeanScores, Task


class Detection(Task):
    """Boxes with classes."""

    task: ClassVar[str] = "detection"
    equal_shapes: ClassVar[bool] = False

    @classmethod
    def mean_scores(cls) -> MeanScores:
        return MeanScores(DetectionScores(), DETECTION_SCORES, "detection", OVER)

    @classmethod
    def probes(cls, model_info: ModelInfo) -> list[Probe]:
        return [DetectionScores()]
