"""Base of the methods on logits: a score of a classifier's logits, or its mean over pixels or detections."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes.detection_logits import OVER
from lsood.probes.image import Logits, ModelInfo, Probe
from lsood.tasks import TASKS


class LogitDetector(Detector):
    """A score of an image's logits.

    Where an image has many vectors of logits, for its pixels or its boxes, it gets their mean score.

    Attributes:
        logit_score: name of the method among the mean scores of a task, see `lsood.tasks.base.MeanScores`; None: it is
            for classifiers only.
        over: boxes of an object detector, "kept" or "proposals", typed as ``msp@proposals``; None: kept detections.
    """

    logit_score: ClassVar[str | None] = None
    argument: ClassVar[str] = "over"
    over: str | None = None

    def attach(self, model_info: ModelInfo) -> Self:
        means = TASKS[model_info.task].mean_scores()
        if means is not None and self.logit_score not in means.scores:
            raise ValueError(f"{self.name} needs one vector of logits per image: a classifier")
        if self.over is not None and (means is None or self.over not in means.over):
            raise ValueError(f"{self.name}@{self.over} is for object detectors, not for {model_info.task}")
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        means = TASKS[self._model_info().task].mean_scores()
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
        if isinstance(x, Activations) and self.model_info is not None:
            means = TASKS[self.model_info.task].mean_scores()
            if means is not None and self.logit_score is not None:
                column = means.column(self.logit_score, self.over)
                return rows(x[means.probe.name], f"{self.name}: the {means.of} scores")[:, column]
        return self._anomaly(self._logits(x))


def checked_over(over: str | None) -> str | None:
    """The argument ``over`` unchanged.

    Raises:
        ValueError: it is not one of OVER.
    """
    if over is not None and over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    return over
