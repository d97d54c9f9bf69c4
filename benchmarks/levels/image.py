"""Rows are images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
from torch import Tensor

from benchmarks.levels.base import Level, MethodScores
from benchmarks.pipeline.strata import anomaly_info, figures, strata_of
from leaderboards.analysis.dependence import image_blocks, intervals_of
from leaderboards.schema import IMAGE, Intervals, MetricValue, OodCell, Stratum
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.metrics.intervals import evaluate
from lsood.probes.base import Probe
from lsood.probes.image import LatentEntropy
from lsood.tasks import TASKS


def measures(
    scores_in: pd.DataFrame, scores_out: pd.DataFrame, threshold: float, paired: bool
) -> tuple[dict[str, MetricValue], list[Stratum], Intervals]:
    """Metrics, the same by kind and severity, and what their intervals rest on.

    Args:
        scores_in, scores_out: of one method, as :meth:`ImageLevel.frame` makes them.
        paired: whether anomalies were drawn on the in-distribution test images themselves.

    Raises:
        ValueError: scores that are not finite, or all equal.
    """
    blocks = image_blocks(scores_in, scores_out, paired)
    found = evaluate(scores_in["score"], scores_out["score"], threshold, blocks=blocks)
    return figures(found), strata_of(scores_in, scores_out, blocks), intervals_of(blocks)


@dataclass
class ImageLevel(Level):
    """Scores of whole images.

    Args:
        mask_seeds: Monte-Carlo seeds of further runs of the same network; entropies of latent samples are measured for
            all of them in the same pass.
    """

    mask_seeds: Sequence[int] = ()

    name: ClassVar[str] = IMAGE
    protocols: ClassVar[bool] = True

    def probes(self) -> list[Probe]:
        return list(TASKS[self.model_info.task].probes(self.model_info))

    def probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        return self._for_all_seeds(super().probes_of(detectors))

    def fit_probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        return self._for_all_seeds(super().fit_probes_of(detectors))

    def _for_all_seeds(self, probes: Sequence[Probe]) -> list[Probe]:
        sampled = [probe for probe in probes if isinstance(probe, LatentEntropy)]
        return [*probes, *(replace(probe, seed=seed) for seed in self.mask_seeds for probe in sampled)]

    def rows(self, measurement: Measurement) -> Activations:
        return measurement.images

    def frame(self, title: str, rows: Activations, scores: Tensor) -> pd.DataFrame:
        """With columns kind, severity and source where anomalies were drawn, and sequence where that is known."""
        found = super().frame(title, rows, scores).join(anomaly_info(rows), on="key")
        known = self.sequences(title, list(found["source" if "source" in found else "key"]))
        return found.assign(sequence=known) if any(one is not None for one in known) else found

    def cell(self, ood: str, known: Measurement, other: Measurement, method: MethodScores) -> OodCell:
        scores_in, scores_out, failure = method.scores_in, method.scores_out, method.failure
        n_in = len(self.data.sets["test"]) if scores_in is None else len(scores_in)
        n_out = other.images.images if scores_out is None else len(scores_out)
        metrics: dict[str, MetricValue] = {}
        strata: list[Stratum] = []
        intervals: Intervals | None = None
        if (
            failure is None
            and scores_in is not None
            and scores_out is not None
            and method.threshold is not None
        ):
            try:
                metrics, strata, intervals = measures(
                    scores_in, scores_out, method.threshold, self._paired(ood)
                )
            except ValueError as error:
                failure = str(error)
        elif failure is None:
            failure = "no scores"
        return OodCell(
            **self._about(ood),
            n_in=n_in,
            n_out=n_out,
            metrics=metrics,
            failure=failure,
            strata=strata,
            n_images=n_out,
            intervals=intervals,
        )
