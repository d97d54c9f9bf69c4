"""What a level of evaluation is: which rows are scored, what is measured for them, what a result cell holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from torch import Tensor

from benchmarks.pipeline.scored import Scored
from benchmarks.pipeline.strata import anomaly_info
from datamodules import BenchmarkDataModule
from datamodules.ood.naming import sequence_rule
from leaderboards.analysis.dependence import OTHER_SET, on_test_images
from leaderboards.schema import OodCell
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.metrics.resampling import Sources
from lsood.probes.base import ModelInfo, Probe


@dataclass(frozen=True)
class MethodScores:
    """What a method gave on the in-distribution test set and on one OoD set.

    Attributes:
        detector: fitted; None where it failed.
        scores_in, scores_out: as `Level.frame` has them; None where it failed, or where rows are not scored one by one.
        failure: why there are no scores.
    """

    detector: Detector | None
    scores_in: pd.DataFrame | None = None
    scores_out: pd.DataFrame | None = None
    threshold: float | None = None
    failure: str | None = None


@dataclass
class Level(ABC):
    """Rows of one kind, scored by every method that supports them.

    Args:
        data: the data module, set up.
        model_info: the network, as methods at this level see it.

    Attributes:
        name: "image", "pixel" or "object".
        protocols: whether methods run under several protocols here; else under "no-ood" alone.
        row_scores: whether methods score rows one by one after the pass, and so have thresholds.
    """

    data: BenchmarkDataModule
    model_info: ModelInfo

    name: ClassVar[str]
    protocols: ClassVar[bool] = False
    row_scores: ClassVar[bool] = True

    def ood_sets(self) -> list[str]:
        """Names of the OoD sets that are evaluated."""
        return list(self.data.ood_sets)

    def probes(self) -> list[Probe]:
        """What is measured on every set whatever the methods: what the network's own metrics and pictures need."""
        return []

    def probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        """What fitted methods need on the sets that are scored."""
        return [probe for detector in detectors for probe in detector.probes()]

    def fit_probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        """What methods need on the fit set."""
        return [probe for detector in detectors for probe in detector.fit_probes()]

    def unsupported(self, detector: Detector) -> str | None:
        """Why an attached method cannot score these rows; None: it can."""
        return None

    @abstractmethod
    def rows(self, measurement: Measurement) -> Activations:
        """The rows of a set, as methods see them."""

    def groups(self, rows: Activations) -> list[str]:
        """The image that each row lies on."""
        return rows.ids

    def fit_rows(self, train: Measurement) -> Activations:
        """The rows of the fit set that methods are fitted on.

        Raises:
            ValueError: there are none.
        """
        return self.rows(train)

    def fit(self, detector: Detector, rows: Activations) -> None:
        """Fit a method on what :meth:`fit_rows` gave."""
        detector.fit(rows)

    def calibration_rows(self, validation: Measurement) -> Activations:
        """The rows of the validation set; raises as :meth:`fit_rows`."""
        return self.rows(validation)

    def frame(self, title: str, rows: Activations, scores: Tensor) -> pd.DataFrame:
        """Scores as they are stored: columns set, key, score and whatever tells the rows apart."""
        return pd.DataFrame({"set": title, "key": rows.ids, "score": scores.double().numpy()})

    @abstractmethod
    def cell(self, ood: str, known: Measurement, other: Measurement, method: MethodScores) -> OodCell:
        """One method on one OoD set.

        Args:
            known, other: measurements of the in-distribution test set and of the OoD set.
            method: its scores of their rows.
        """

    def write_figures(self, scored: Sequence[Scored], sets: Mapping[str, Measurement], folder: Path) -> None:
        """Write pictures that belong beside the results; by default none."""
        return

    def _about(self, ood: str) -> dict[str, Any]:
        """Fields that the cells of all levels have."""
        images = self.data.ood_sets[ood]
        return {
            "name": ood,
            "origin": images.origin,
            "fingerprint": images.fingerprint,
            "synthetic": images.synthetic,
            "left_out": list(images.left_out),
        }

    def _dependence(self, ood: str, known: Measurement, other: Measurement) -> tuple[Sources, dict[str, str]]:
        """Names of the images that the images of both sides were made from, and {name: its sequence} where known."""
        info = anomaly_info(other.images)
        prefix = "" if self._paired(ood) else OTHER_SET
        keys = list(info["source"]) if "source" in info else other.images.ids
        sequences: dict[str, str] = {}
        for name, title, own in (("", "ind-test", known.images.ids), (prefix, ood, keys)):
            places = zip(own, self.sequences(title, own), strict=True)
            sequences |= {f"{name}{key}": f"{name}{place}" for key, place in places if place is not None}
        return (known.images.ids, [f"{prefix}{key}" for key in keys]), sequences

    def sequences(self, title: str, sources: Sequence[str]) -> list[str | None]:
        """The sequence that each image of a set belongs to, or was made from an image of; None: not known.

        Args:
            title: "ind-val", "ind-test" or an OoD set. sources: keys of the clean images.
        """
        if self._paired(title):
            keys = set(self.data.sets["train" if self.data.leave_one_out else "test"].keys)
            return [self.data.sequence_of(source) if source in keys else None for source in sources]
        rule = sequence_rule(title, self.data)
        return [None if rule is None else rule(source) for source in sources]

    def _paired(self, ood: str) -> bool:
        """Whether anomalies were drawn on the in-distribution test images themselves."""
        return on_test_images(self.data.name, ood)
