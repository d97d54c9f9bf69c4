"""What the methods on logits share: a classifier's logits, or the mean of a score over pixels or detections."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes.detection_logits import DETECTION_SCORES, OVER
from lsood.probes.image import PIXEL_SCORES, DetectionScores, Logits, ModelInfo, PixelScores, Probe


class LogitDetector(Detector):
    """A score of an image's logits.

    Attributes:
        averaged: which of ``lsood.probes.image.PIXEL_SCORES`` it is in segmentation, averaged over all pixels, and which of
            ``lsood.probes.detection_logits.DETECTION_SCORES`` in detection; None: the method is for classifiers only.
        over: of an object detector, "kept" or "proposals", typed as ``msp@proposals``; None: kept detections.
    """

    averaged: ClassVar[str | None] = None
    argument: ClassVar[str] = "over"
    over: str | None = None

    def attach(self, model_info: ModelInfo) -> Self:
        known = {"segmentation": PIXEL_SCORES, "detection": DETECTION_SCORES}.get(model_info.task)
        if known is not None and self.averaged not in known:
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
        if self.averaged is None or not isinstance(x, Activations) or self.model_info is None:
            return self._anomaly(self._logits(x))
        if self.model_info.task == "segmentation":
            column = PIXEL_SCORES.index(self.averaged)
            return rows(x[PixelScores().name], f"{self.name}: the pixel scores")[:, column]
        if self.model_info.task == "detection":
            column = DetectionScores.column(self.averaged, self.over or OVER[0])
            return rows(x[DetectionScores().name], f"{self.name}: the detections' scores")[:, column]
        return self._anomaly(self._logits(x))


def checked_over(over: str | None) -> str | None:
    """``over``.

    Raises:
        ValueError: it is none of OVER.
    """
    if over is not None and over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    return over
