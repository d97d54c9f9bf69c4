"""From the measurements of every set to one method's scores, threshold and cells, at any level."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from benchmarks.levels.base import Level, MethodScores
from benchmarks.pipeline.failures import Case, Failures
from benchmarks.pipeline.scored import Scored
from benchmarks.pipeline.tuning import validation_rows
from leaderboards.schema import OodCell
from lsood.detector import Detector, scores_of
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.io import log
from lsood.metrics.points import threshold_at
from lsood.text import reason

Tuned = Mapping[str, Detector]
"""{OoD set, or "" for all: fitted detector, tuned as the protocol allows}."""
NOTHING = Measurement(Activations({}, []))
EMPTY = pd.DataFrame({"set": [], "key": [], "score": []})


@dataclass
class Scoring:
    """Scores every set at one level.

    Args:
        level: whose rows are scored.
        sets: measurements of "ind-val", "ind-test" and of every OoD set.
        false_alarm_rate: of the thresholds.
        device: whose peak memory is told.
        failures: takes what goes wrong.
        n_fit: rows of the fit set.
        calibration: see `benchmarks.pipeline.level_methods.LevelMethods`; these are the scores of "ind-val" then.
    """

    level: Level
    sets: Mapping[str, Measurement]
    false_alarm_rate: float
    device: str
    failures: Failures
    n_fit: int = 0
    calibration: Mapping[Case, Tensor] = field(default_factory=dict)
    _seconds: float = field(default=0.0, init=False, repr=False)

    def of(self, case: Case, prototype: Detector, tuned: Tuned) -> Scored:
        """What comes of a case; ``tuned``: none where it failed."""
        fit_seconds = self.failures.seconds.get(case, 0.0)
        frames: dict[str, pd.DataFrame] = {}
        thresholds: list[float] = []
        cells, n_calibration = [], 0
        known: dict[tuple[int, str], pd.DataFrame] = {}
        self._seconds = 0.0
        for ood in self.level.ood_sets():
            detector = tuned.get(ood, tuned.get(""))
            scores = self._frames(case, detector, ood, known) if self.level.row_scores else {}
            threshold = None
            if scores and detector is not None:
                calibration = scores.pop("calibration")
                fixed = detector.fixed_threshold
                n_calibration = len(calibration) if fixed is None else 0
                threshold = fixed if fixed is not None else self._threshold(case, calibration)
            thresholds += [threshold] if threshold is not None else []
            method = MethodScores(
                detector, scores.get("ind-test"), scores.get(ood), threshold, self.failures.reasons.get(case)
            )
            cells.append(self._cell(case, ood, method))
            frames = scores | frames
        return Scored(
            level=self.level.name,
            method=case[0],
            protocol=case[1],
            detector=next(iter(tuned.values()), prototype),
            cells=cells,
            scores=self._joined(frames),
            threshold=thresholds[0] if thresholds else None,
            n_calibration=n_calibration,
            n_fit=self.n_fit,
            fit_seconds=fit_seconds,
            score_seconds=self._seconds if self.level.row_scores else None,
            peak_memory_mb=peak_memory_mb(self.device),
            false_alarm_rate=self.false_alarm_rate,
            tuned={} if case[1] == "no-ood" else {ood: d.get_params() for ood, d in tuned.items()},
        )

    def _cell(self, case: Case, ood: str, method: MethodScores) -> OodCell:
        """The metrics; where computing them raises, the reason."""
        known, other = self.sets.get("ind-test", NOTHING), self.sets[ood]
        try:
            return self.level.cell(ood, known, other, method)
        except Exception as error:
            log.warning("%s on %s failed: %s", case[0], ood, reason(error))
            return self.level.cell(ood, known, other, MethodScores(method.detector, failure=reason(error)))

    def _joined(self, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
        if not self.level.row_scores:
            return None
        return pd.concat(frames.values(), ignore_index=True) if frames else EMPTY

    def _threshold(self, case: Case, calibration: pd.DataFrame) -> float | None:
        return self.failures.run(case, partial(threshold_at, calibration["score"], self.false_alarm_rate))

    def _frames(
        self,
        case: Case,
        detector: Detector | None,
        ood: str,
        known: dict[tuple[int, str], pd.DataFrame],
    ) -> dict[str, pd.DataFrame]:
        """Scores of "ind-val", "ind-test" and an OoD set, without the images a tuned method has validated with;
        "calibration" are those of ind-val the threshold may come from. ``known`` keeps what a detector has scored.
        """
        if detector is None:
            return {}

        def score(name: str) -> pd.DataFrame:
            key = id(detector), name
            if key not in known:
                rows = self.level.rows(self.sets[name])
                start = time.perf_counter()
                values = scores_of(detector, rows, rows.images) if rows.images else torch.empty(0)
                self._seconds += time.perf_counter() - start
                if name == "ind-val" and case in self.calibration:
                    values = self.calibration[case]
                known[key] = self.level.frame(name, rows, values)
            return known[key]

        def frames() -> dict[str, pd.DataFrame]:
            found = {name: score(name) for name in ("ind-val", "ind-test", ood)}
            found["calibration"] = found["ind-val"]
            data = self.level.data
            both = {"ind-test": data.sets["test"], ood: data.ood_sets[ood]}
            used = {"fgsm-val": {"calibration": data.sets["val"]}, "oracle-val": both}
            for name, images in used.get(case[1], {}).items():
                free = {images.keys[i] for i in validation_rows(images, self.level.model_info.seed)[1]}
                found[name] = found[name][found[name]["key"].isin(free)].reset_index(drop=True)
            return found

        return self.failures.run(case, frames) or {}


def peak_memory_mb(device: str) -> float:
    """Peak memory so far: of the GPU's allocator, or of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
