"""Base of the methods on logits: a score of a classifier's logits, or its mean over pixels or detections."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood.detector import Detector, Input, rows
from lsood.extraction.activations import Activations
from lsood.probes.base import ModelInfo, Probe
from lsood.probes.detection_logits import OVER
from lsood.probes.logits import Logits
from lsood.tasks import TASKS
from lsood.tasks.base import MeanScores


class LogitDetector(Detector):
    """A score of an image's logits.

    Of tasks whose images have many vectors of logits (pixels, detections), images get the mean of ``logit_score``.

    Attributes:
        over: boxes of an object detector, "kept" or "proposals", typed as ``msp@proposals``; None: kept detections.
    """

    argument: ClassVar[str] = "over"
    over: str | None = None

    def attach(self, model_info: ModelInfo) -> Self:
        means = self._means_of(model_info.task)
        if means is not None and self.logit_score not in means.scores:
            raise ValueError(f"{self.name} needs one vector of logits per image: a classifier")
        if self.over is not None and (means is None or self.over not in means.over):
            raise ValueError(f"{self.name}@{self.over} is for object detectors, not for {model_info.task}")
        return super().attach(model_info)

    def _means(self) -> MeanScores | None:
        return self._means_of(self._model_info().task)

    def _means_of(self, task: str) -> MeanScores | None:
        means: MeanScores | None = TASKS[task].mean_scores()
        return means

    def probes(self) -> list[Probe]:
        means = self._means()
        return [Logits() if means is None else means.probe]

    def fit_probes(self) -> list[Probe]:
        return []

    def _logits(self, x: Input, what: str = "the logits") -> Tensor:
        return rows(x[Logits().name] if isinstance(x, Activations) else x, f"{self.name}: {what}")

    @abstractmethod
    def _anomaly(self, z: Tensor) -> Tensor:
        """(N, K) float64 logits -> (N,), higher = more anomalous."""

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from classification logits (N, K)."""
        means = self._means() if isinstance(x, Activations) and self.model_info is not None else None
        if means is None or not isinstance(x, Activations):
            return self._anomaly(self._logits(x))
        found = rows(x[means.probe.name], f"{self.name}: the mean {means.of} scores")
        return found[:, means.column(str(self.logit_score), self.over)]


def checked_over(over: str | None) -> str | None:
    """The argument ``over`` unchanged.

    Raises:
        ValueError: it is not one of OVER.
    """
    if over is not None and over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    return over
