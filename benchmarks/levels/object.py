"""Rows are detected objects: a method for classifiers scores each detection by the box head's logits and features.

It is fitted on confident detections of the fit set that overlap a true box of their class, calibrated on those of the
validation set (which also give the threshold), and scores those of the test set and of the OoD sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.levels import object_pictures
from benchmarks.levels.base import Level, MethodScores
from benchmarks.pipeline.scored import Scored
from benchmarks.pipeline.strata import figures
from datamodules.imagesets.base import ImageSet
from leaderboards.analysis.dependence import intervals_of
from leaderboards.schema import OBJECT, Block, OodCell
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.extraction.objects import ObjectSet
from lsood.metrics.open_set.detection_set import DetectionSet
from lsood.metrics.open_set.evaluation import Outcomes, evaluate_open_set, separation
from lsood.metrics.resampling import Blocks
from lsood.probes.base import ModelInfo, Probe
from lsood.probes.head import Head
from lsood.probes.objects import found_probes, image_of, object_probes

Own = tuple[DetectionSet, NDArray[np.float64], DetectionSet, NDArray[np.float64], float]
CORNERS = ("x1", "y1", "x2", "y2")


def object_model_info(network: nn.Module, model_info: ModelInfo) -> ModelInfo:
    """The box head of an object detector as a classifier: its penultimate features are the input of the class layer,
    its latent layer the dropout layer between region pooling and box head.
    """
    named: Any = network
    return replace(
        model_info,
        task="classification",
        layers=(named.region_dropout,),
        latent_layer=named.region_layer,
        head=Head.of(network),
        head_layer=named.head_layer or "",
    )


@dataclass
class ObjectLevel(Level):
    """Scores of single detections.

    Args:
        confidence: class probability from which a detection is scored, in every set; 0: all that the network keeps.
    """

    confidence: float = 0.25

    name: ClassVar[str] = OBJECT

    def probes(self) -> list[Probe]:
        """Boxes, confidences and classes."""
        return list(found_probes())

    def unsupported(self, detector: Detector) -> str | None:
        measured = {probe.name for probe in object_probes(self.model_info)}
        if missing := sorted(_needed([detector]) - measured):
            return f"needs {missing[0]}, which is not measured for single objects"
        return None

    def probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        """The probes of objects under the names that the methods know from whole images."""
        needed = _needed(detectors)
        return [probe for probe in object_probes(self.model_info) if probe.name in needed]

    def fit_probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        """As :meth:`probes_of`: objects of all sets have the same columns."""
        return self.probes_of(detectors)

    def _objects(self, measurement: Measurement) -> ObjectSet:
        assert measurement.objects is not None
        return measurement.objects.confident(self.confidence)

    def rows(self, measurement: Measurement) -> Activations:
        return self._objects(measurement).found

    def groups(self, rows: Activations) -> list[str]:
        return [image_of(key) for key in rows.ids]

    def fit_rows(self, train: Measurement) -> Activations:
        found = self.rows(train)
        found = found.select((found["labels"] >= 0).nonzero()[:, 0])
        if not found.images:
            raise ValueError(
                f"no detection of confidence {self.confidence:g} and more on the fit set overlaps a true box of its "
                "class"
            )
        return found

    def calibration_rows(self, validation: Measurement) -> Activations:
        found = self.rows(validation)
        if not found.images:
            raise ValueError(
                f"no detections of confidence {self.confidence:g} and more on the validation set"
            )
        return found

    def frame(self, title: str, rows: Activations, scores: Tensor) -> pd.DataFrame:
        """With the box (pixels of the network's input), the predicted class and its confidence."""
        corners = dict(zip(CORNERS, rows["box"].double().numpy().T, strict=True))
        about = {"predicted": rows["predicted"].numpy(), "confidence": rows["score"].double().numpy()}
        return super().frame(title, rows, scores).assign(**corners, **about)

    def cell(self, ood: str, known: Measurement, other: Measurement, method: MethodScores) -> OodCell:
        scores_in, scores_out, threshold = method.scores_in, method.scores_out, method.threshold
        images = self.data.ood_sets[ood]
        inside = self._objects(known).on(known.images.ids)
        outside = self._objects(other).on(other.images.ids)
        chosen = self._compared(outside, images)
        metrics, open_set, counts, intervals = {}, {}, dict[str, int](), None
        failure = open_failure = method.failure
        n_out = len(outside.boxes) if chosen is None else int(chosen.sum())
        if threshold is not None and scores_in is not None and scores_out is not None:
            own = (inside, scores_in["score"].to_numpy(), outside, scores_out["score"].to_numpy(), threshold)
            blocks = self._blocks(ood, known, other, own)
            intervals = intervals_of(blocks)
            try:
                if not (images.boxed or images.synthetic == "noise"):
                    raise ValueError("no objects are labelled, so that detections may be of known classes")
                if not len(inside.boxes) or not n_out:
                    raise ValueError(f"no detections on the {'OoD' if len(inside.boxes) else 'test'} images")
                metrics = separation(*own, chosen=chosen, blocks=blocks)
            except ValueError as error:
                failure = str(error)
            try:
                open_set = evaluate_open_set(*own, blocks=blocks)
                counts = Outcomes.of(outside, own[3], threshold).counts()
            except ValueError as error:
                open_failure = str(error)
        return OodCell(
            **self._about(ood),
            n_in=len(inside.boxes),
            n_out=n_out,
            metrics=figures(metrics),
            failure=failure,
            n_images=other.images.images,
            counts=counts,
            intervals=intervals,
            blocks={"open-set": Block(counts.get("unknown", 0), figures(open_set), open_failure)},
        )

    def _blocks(self, ood: str, known: Measurement, other: Measurement, own: Own) -> Blocks:
        """The images of both sides in blocks, as the autocorrelation of the mean score on an image asks for."""
        sources, sequences = self._dependence(ood, known, other)
        inside, scores_in, outside, scores_out, _ = own
        places = zip(sources, (inside.image, outside.image), strict=True)
        owners = [[names[i] for i in image] for names, image in places]
        return Blocks.fitting([scores_in, scores_out], sources, sequences, owners)

    def _compared(
        self, outside: DetectionSet, images: ImageSet
    ) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Which detections are compared with in-distribution ones: all; where known objects are labelled beside unknown
        ones, those that overlap an unknown one, unless anomalies were drawn: these change known objects too.
        """
        mixed = bool((outside.object_labels >= 0).any()) and len(outside.unknown) > 0
        return outside.on_unknown if mixed and images.synthetic != "anomalies" else None

    def write_figures(self, scored: Sequence[Scored], sets: Mapping[str, Measurement], folder: Path) -> None:
        """Pictures of boxes, one file per OoD set."""
        object_pictures.write(self.data, scored, self.confidence, folder)


def _needed(detectors: Sequence[Detector]) -> set[str]:
    """Names of the probes that methods ask for."""
    return {probe.name for d in detectors for probe in (*d.probes(), *d.fit_probes())}
