"""From the activations of every set to one method's scores, threshold and cells."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.pipeline.failures import Attempts, Case
from benchmarks.pipeline.strata import drawn_on, figures, sources_of, strata_of
from benchmarks.pipeline.tuning import validation_rows
from datamodules import BenchmarkDataModule, ImageSet
from leaderboards import OodCell
from lsood import Activations, Detector, evaluate, threshold_at

Judges = Mapping[str, Detector]
"""{OoD set, or "" for all: detector, taught where the protocol allows}."""


@dataclass
class Scored:
    """What came of one method under one protocol.

    Attributes:
        cells: one per OoD set. scores: columns set, key, score; kind, severity, source where anomalies were
            drawn; under "oracle-val" the in-distribution scores of the first OoD set's detector. threshold: None
            when the method failed; of the first OoD set's detector. n_calibration: images it comes from.
        tuned: {OoD set, or "" for all: constructor arguments chosen}.
        fit_seconds, score_seconds: of fit + tuning + calibration, and of scoring every set, without the shared
            pass.
    """

    detector: Detector
    protocol: str
    cells: list[OodCell]
    scores: pd.DataFrame
    threshold: float | None
    n_calibration: int
    fit_seconds: float
    score_seconds: float
    peak_memory_mb: float
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Scoring:
    """Scores every set with what a case has learnt.

    Args:
        data: whose sets were measured. sets: their activations.
        seed: of the choice of validation images.
        false_alarm_rate: of the thresholds.
        device: whose peak memory is told.
        attempts: takes what goes wrong.
    """

    data: BenchmarkDataModule
    sets: Mapping[str, Activations]
    seed: int
    false_alarm_rate: float
    device: str
    attempts: Attempts

    def of(self, case: Case, prototype: Detector, judges: Judges) -> Scored:
        """What comes of a case; ``judges``: none where it failed."""
        fit_seconds, start = self.attempts.seconds.get(case, 0.0), time.perf_counter()
        frames: dict[str, pd.DataFrame] = {}
        thresholds: list[float] = []
        cells, n_calibration = [], 0
        known: dict[tuple[int, str], pd.DataFrame] = {}
        for ood, images in self.data.ood_sets.items():
            judge = judges.get(ood, judges.get(""))
            scores = self._frames(case, judge, ood, known)
            threshold = None
            if scores:
                calibration = scores.pop("calibration")
                n_calibration = len(calibration)
                fixed = judge.fixed_threshold if judge is not None else None
                threshold = fixed if fixed is not None else self._threshold(case, calibration)
            thresholds += [threshold] if threshold is not None else []
            scores_in, scores_out = scores.get("ind-test"), scores.get(ood)
            cells.append(self._cell(case, ood, images, scores_in, scores_out, threshold))
            frames = scores | frames
        score_seconds = time.perf_counter() - start
        empty = pd.DataFrame({"set": [], "key": [], "score": []})
        return Scored(
            detector=next(iter(judges.values()), prototype),
            protocol=case[1],
            cells=cells,
            scores=pd.concat(frames.values(), ignore_index=True) if frames else empty,
            threshold=thresholds[0] if thresholds else None,
            n_calibration=n_calibration,
            fit_seconds=fit_seconds,
            score_seconds=score_seconds,
            peak_memory_mb=peak_memory_mb(self.device),
            tuned={} if case[1] == "no-ood" else {ood: d.get_params() for ood, d in judges.items()},
        )

    def _threshold(self, case: Case, calibration: pd.DataFrame) -> float | None:
        return self.attempts.run(case, partial(threshold_at, calibration["score"], self.false_alarm_rate))

    def _frames(
        self,
        case: Case,
        judge: Detector | None,
        ood: str,
        known: dict[tuple[int, str], pd.DataFrame],
    ) -> dict[str, pd.DataFrame]:
        """Scores of "ind-val", "ind-test" and an OoD set, without the images a tuned method has validated with;
        "calibration" are those of ind-val the threshold may come from. ``known`` keeps what a detector has scored.
        """
        if judge is None:
            return {}

        def score(name: str) -> pd.DataFrame:
            key = id(judge), name
            if key not in known:
                known[key] = _frame(name, self.sets[name], judge.score(self.sets[name]))
            return known[key]

        def frames() -> dict[str, pd.DataFrame]:
            found = {name: score(name) for name in ("ind-val", "ind-test", ood)}
            found["calibration"] = found["ind-val"]
            both = {"ind-test": self.data.sets["test"], ood: self.data.ood_sets[ood]}
            used = {"fgsm-val": {"calibration": self.data.sets["val"]}, "oracle-val": both}
            for name, images in used.get(case[1], {}).items():
                free = {images.keys[i] for i in validation_rows(images, self.seed)[1]}
                found[name] = found[name][found[name]["key"].isin(free)].reset_index(drop=True)
            return found

        return self.attempts.run(case, frames) or {}

    def _cell(
        self,
        case: Case,
        ood: str,
        images: ImageSet,
        scores_in: pd.DataFrame | None,
        scores_out: pd.DataFrame | None,
        threshold: float | None,
    ) -> OodCell:
        n_in = len(self.data.sets["test"]) if scores_in is None else len(scores_in)
        n_out = len(images) if scores_out is None else len(scores_out)
        failure, metrics, strata = self.attempts.failures.get(case), {}, []
        if failure is None and scores_in is not None and scores_out is not None and threshold is not None:
            try:
                sources = sources_of(
                    scores_in,
                    scores_out,
                    ood == f"{self.data.name}-anomalies" or ood.startswith("generated:"),
                )
                metrics = figures(
                    evaluate(scores_in["score"], scores_out["score"], threshold, sources=sources)
                )
                strata = strata_of(scores_in, scores_out, sources)
            except ValueError as error:
                failure = str(error)
        elif failure is None:
            failure = "no scores"
        return OodCell(ood, images.origin, images.fingerprint, n_in, n_out, metrics, failure, strata=strata)


def _frame(title: str, x: Activations, values: Tensor) -> pd.DataFrame:
    frame = pd.DataFrame({"set": title, "key": x.ids, "score": values.double().numpy()})
    return frame.join(drawn_on(x), on="key")


def peak_memory_mb(device: str) -> float:
    """Peak memory so far: of the GPU's allocator, or of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
