"""What the methods on logits share: classification logits, or the mean of a pixel score in segmentation."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes import PIXEL_SCORES, Logits, PixelScores, Probe, Subject


class LogitDetector(Detector):
    """A score of an image's logits.

    Attributes:
        pixel_score: which of ``lsood.probes.PIXEL_SCORES``, averaged over all pixels, it is in segmentation; None:
            the method is for classifiers only.
    """

    pixel_score: ClassVar[str | None] = None

    def attach(self, subject: Subject) -> Self:
        if subject.task == "segmentation" and self.pixel_score is None:
            raise ValueError(f"{self.name} needs one vector of logits per image: a classifier")
        return super().attach(subject)

    def probes(self) -> list[Probe]:
        return [PixelScores() if self._subject().task == "segmentation" else Logits()]

    def fit_probes(self) -> list[Probe]:
        return []

    def _logits(self, x: Input, what: str = "the logits") -> Tensor:
        return rows(x[Logits().name] if isinstance(x, Activations) else x, f"{self.name}: {what}")

    @abstractmethod
    def _anomaly(self, z: Tensor) -> Tensor:
        """(N, K) float64 logits -> (N,), higher = more anomalous."""

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from classification logits (N, K)."""
        if self.pixel_score and isinstance(x, Activations) and self._subject().task == "segmentation":
            column = PIXEL_SCORES.index(self.pixel_score)
            return rows(x[PixelScores().name], f"{self.name}: the pixel scores")[:, column]
        return self._anomaly(self._logits(x))
