"""Object detection: the network's mean average precision, and methods for classifiers on single detections.

A method is fitted on confident detections of the fit set that overlap a true box of their class, calibrated on those
of the validation set (which also give the threshold), and scores those of the test set and of the OoD sets. No OoD
object is seen before that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision

from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.strata import figures
from datamodules import NOISE, BenchmarkDataModule
from leaderboards.object_schema import COLUMNS, ObjectCell, UnknownObjects
from lsood import Activations, Detector, Head, ModelInfo, threshold_at
from lsood.extraction.objects import ObjectSet, rows_of
from lsood.methods import create
from lsood.metrics.intervals import Estimate, Sources
from lsood.metrics.open_set_detection import Outcomes, evaluate_open_set, separation

log = logging.getLogger("lsood-bench")
CORNERS = ("x1", "y1", "x2", "y2")
EMPTY = pd.DataFrame(columns=[*COLUMNS, *CORNERS, "predicted", "confidence"])
OBJECT_METHODS = ("msp", "energy", "knn", "mahalanobis", "lared")


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
        head_layer=named.head_layer,
    )


def mean_average_precision(objects: ObjectSet, keys: Sequence[str]) -> dict[str, float]:
    """{"map": COCO's mean average precision over IoU .5 to .95, "map50": at .5}, in [0, 1], on the images that the keys
    name; {} where no object of a known class is labelled on them. Objects of no class do not count.
    """
    metric = MeanAveragePrecision(box_format="xyxy")
    found = objects.found
    rows = rows_of(found, keys)
    metric.update(
        [
            {"boxes": found["box"][r], "scores": found["score"][r], "labels": found["predicted"][r]}
            for r in rows
        ],
        [_known(target) for target in objects.targets(keys)],
    )
    if not bool((objects.truth["labels"] >= 0).any()):
        return {}
    values = metric.compute()
    return {"map": float(values["map"]), "map50": float(values["map_50"])}


def _known(target: dict[str, Tensor]) -> dict[str, Tensor]:
    known = target["labels"] >= 0
    return {name: value[known] for name, value in target.items()}


@dataclass
class ObjectScored:
    """What came of one method on objects.

    Attributes:
        cells: one per OoD set. scores: a row per detection, columns set, key, score, x1, y1, x2, y2 (pixels of the
            network's input), predicted (class) and confidence.
        threshold: None when the method failed. n_fit, n_calibration: detections it was fitted on, and calibrated on.
        fit_seconds, score_seconds: of fit + calibration, and of scoring every set.
    """

    detector: Detector
    cells: list[ObjectCell]
    scores: pd.DataFrame
    threshold: float | None
    n_fit: int
    n_calibration: int
    fit_seconds: float
    score_seconds: float


@dataclass
class ObjectEvaluation:
    """Runs methods over detections that an `Extraction` has measured.

    Args:
        extraction: with ``objects`` of "fit", "ind-val", "ind-test" and of every OoD set.
        data: whose sets they are.
        model_info: see :func:`object_model_info`.
        images: {set: activations of its images}.
        false_alarm_rate: of the thresholds.
        confidence: class probability from which a detection counts, in every set; 0: all that the network keeps.
    """

    extraction: Extraction
    data: BenchmarkDataModule
    model_info: ModelInfo
    images: dict[str, Activations]
    false_alarm_rate: float = 0.05
    confidence: float = 0.0

    def run(self, methods: Sequence[str] = OBJECT_METHODS) -> dict[str, ObjectScored]:
        """{method: what came of it}; what goes wrong fails the method, not the run."""
        judged = ("ind-test", *self.data.ood_sets)
        self._known = {
            name: self.extraction.objects[name].confident(self.confidence)
            for name in ("fit", "ind-val", *judged)
        }
        self._sets = {name: self._known[name].on(self.images[name].ids) for name in judged}
        return {name: self._method(name) for name in methods}

    def _method(self, name: str) -> ObjectScored:
        detector, known = create(name), self._known
        train, held_out = known["fit"].found, known["ind-val"].found
        train = train.select((train["labels"] >= 0).nonzero()[:, 0])
        scores: dict[str, Tensor] = {}
        threshold, failure = None, None
        start = fitted = time.perf_counter()
        try:
            if not train.images:
                raise ValueError(
                    f"no detection of confidence {self.confidence:g} on the fit set overlaps a true box of its class"
                )
            if not held_out.images:
                raise ValueError(f"no detections of confidence {self.confidence:g} on the validation set")
            detector.attach(self.model_info).fit(train).calibrate(held_out)
            fitted = time.perf_counter()
            for part in ("ind-val", "ind-test", *self.data.ood_sets):
                scores[part] = self._scores(detector, part)
            threshold = threshold_at(scores["ind-val"].numpy(), self.false_alarm_rate)
        except (ValueError, ArithmeticError, torch.linalg.LinAlgError) as error:
            failure = str(error).splitlines()[0]
            log.warning("%s on objects failed: %s", name, failure)
        scored = time.perf_counter()
        return ObjectScored(
            detector,
            [self._cell(ood, scores, threshold, failure) for ood in self.data.ood_sets],
            pd.concat(
                [_frame(n, known[n].found, v) for n, v in scores.items()] or [EMPTY], ignore_index=True
            ),
            threshold,
            train.images,
            held_out.images,
            fitted - start,
            scored - fitted,
        )

    def _scores(self, detector: Detector, name: str) -> Tensor:
        """(N,) float64; a set without detections has none."""
        found = self._known[name].found
        return detector.score(found).double() if found.images else torch.empty(0, dtype=torch.float64)

    def _cell(
        self, ood: str, scores: dict[str, Tensor], threshold: float | None, failure: str | None
    ) -> ObjectCell:
        known, ood, images = self._sets["ind-test"], self._sets[ood], self.data.ood_sets[ood]
        chosen, sources = self._outside(ood), self._sources(ood)
        n_out = len(ood.boxes) if chosen is None else int(chosen.sum())
        metrics: dict[str, Estimate] = {}
        unknown, open_set, open_failure = None, dict[str, Estimate](), failure
        if threshold is not None:
            own = (known, scores["ind-test"].numpy(), ood, scores[ood].numpy(), threshold)
            try:
                if not (images.boxed or ood in NOISE):
                    raise ValueError("no objects are labelled, so that detections may be of known classes")
                if not len(known.boxes) or not n_out:
                    raise ValueError(f"no detections on the {'OoD' if len(known.boxes) else 'test'} images")
                metrics = separation(*own, chosen=chosen, sources=sources)
            except ValueError as error:
                failure = str(error)
            try:
                open_set = evaluate_open_set(*own, sources=sources)
                outcomes = Outcomes.of(ood, own[3], threshold).counts()
                unknown = UnknownObjects(
                    outcomes["unknown"], outcomes["flagged"], outcomes["taken"], outcomes["missed"]
                )
            except ValueError as error:
                open_failure = str(error)
        return ObjectCell(
            name=ood,
            origin=images.origin,
            fingerprint=images.fingerprint,
            n_images=len(images),
            n_in=len(known.boxes),
            n_out=n_out,
            metrics=figures(metrics),
            failure=failure,
            unknown=unknown,
            open_set=figures(open_set),
            open_set_failure=open_failure,
        )

    def _outside(self, ood: str) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Which detections are compared with in-distribution ones: all; where known objects are labelled beside unknown
        ones, those that overlap an unknown one, unless anomalies were drawn: these change known objects too.
        """
        ood = self._sets[ood]
        mixed = bool((ood.object_labels >= 0).any()) and len(ood.unknown) > 0
        return ood.on_unknown if mixed and not self.images[ood].metadata.get("drawn") else None

    def _sources(self, ood: str) -> Sources | None:
        """Names of the images that images were made from; None where nothing was drawn."""
        drawn = self.images[ood].metadata.get("drawn")
        if not drawn:
            return None
        source = dict(zip(drawn["key"], drawn["source"], strict=True))
        prefix = "" if ood == f"{self.data.name}-anomalies" or ood.startswith("generated:") else "other set/"
        return self.images["ind-test"].ids, [prefix + source[key] for key in self.images[ood].ids]


def _frame(title: str, found: Activations, values: Tensor) -> pd.DataFrame:
    corners = dict(zip(CORNERS, found["box"].double().numpy().T, strict=True))
    named = {"set": [title] * len(values), "key": found.ids, "score": values.numpy(), **corners}
    named |= {"predicted": found["predicted"].numpy(), "confidence": found["score"].double().numpy()}
    return pd.DataFrame(named)
