"""Base of the methods on logits: a score of a classifier's logits, or its mean over pixels or detections."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes.detection_logits import OVER
from lsood.probes.image import PIXEL_SCORES, DetectionScores, Logits, ModelInfo, PixelScores, Probe


class LogitDetector(Detector):
    """A score of an image's logits.

    Images of a segmentation network get the mean of ``pixel_score`` over all pixels, images of an object detector the
    mean of ``detection_score`` over its boxes.

    Attributes:
        detection_score: name of the score of ``lsood.probes.detection_logits.DETECTION_SCORES`` that is the method's
            form for detections; None: it does not apply to object detectors.
        over: boxes of an object detector, "kept" or "proposals", typed as ``msp@proposals``; None: kept detections.
    """

    detection_score: ClassVar[str | None] = None
    argument: ClassVar[str] = "over"
    over: str | None = None

    def attach(self, model_info: ModelInfo) -> Self:
        scores = {"segmentation": self.pixel_score, "detection": self.detection_score}
        if scores.get(model_info.task, "logits") is None:
            raise ValueError(f"{self.name} needs one vector of logits per image: a classifier")
        if self.over is not None and model_info.task != "detection":
            raise ValueError(f"{self.name}@{self.over} is for object detectors, not for {model_info.task}")
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        means: dict[str, Probe] = {"segmentation": PixelScores(), "detection": DetectionScores()}
        return [means.get(self._model_info().task, Logits())]

    def fit_probes(self) -> list[Probe]:
        return []

    def _logits(self, x: Input, what: str = "the logits") -> Tensor:
        return rows(x[Logits().name] if isinstance(x, Activations) else x, f"{self.name}: {what}")

    @abstractmethod
    def _anomaly(self, z: Tensor) -> Tensor:
        """(N, K) float64 logits -> (N,), higher = more anomalous."""

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from classification logits (N, K)."""
        if isinstance(x, Activations) and self.model_info is not None:
            task = self.model_info.task
            if task == "segmentation" and self.pixel_score is not None:
                column = PIXEL_SCORES.index(self.pixel_score)
                return rows(x[PixelScores().name], f"{self.name}: the pixel scores")[:, column]
            if task == "detection" and self.detection_score is not None:
                column = DetectionScores.column(self.detection_score, self.over or OVER[0])
                return rows(x[DetectionScores().name], f"{self.name}: the detections' scores")[:, column]
        return self._anomaly(self._logits(x))


def checked_over(over: str | None) -> str | None:
    """The argument ``over`` unchanged.

    Raises:
        ValueError: it is not one of OVER.
    """
    if over is not None and over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    return over
