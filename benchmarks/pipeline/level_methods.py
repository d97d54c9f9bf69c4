"""The methods of one level: attached to the network and fitted, each failing alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from benchmarks.levels.base import Level
from benchmarks.pipeline.failures import Case, Failures
from leaderboards.schema import IMAGE
from lsood.detector import Detector
from lsood.extraction.measurement import Measurement
from lsood.out_of_fold import calibrates, out_of_fold_scores
from lsood.tasks import TASKS


@dataclass
class LevelMethods:
    """The methods of one level and what becomes of them.

    Args:
        level: whose rows they score.
        detectors: {name as typed: detector}.
        unusable: {name: reason} of methods known to fail.

    Attributes:
        failures: what went wrong with which method, and how long it took.
        n_fit: rows that methods were fitted on.
        calibration: {case: (N,) scores of the validation rows that its threshold comes from}, of methods that are
            calibrated on these rows; see `lsood.out_of_fold`.
    """

    level: Level
    detectors: Mapping[str, Detector]
    unusable: Mapping[str, str] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)
    n_fit: int = 0
    calibration: dict[Case, Tensor] = field(default_factory=dict)

    def cases(self, protocols: Sequence[str]) -> list[Case]:
        """Every method with every protocol it runs under: those asked for that it supports, else its default."""
        found = []
        for name, detector in self.detectors.items():
            wanted = [p for p in protocols if p in detector.protocols] if self.level.protocols else []
            found += [(name, protocol) for protocol in wanted or detector.protocols[:1]]
        return found

    def attach(self, cases: Sequence[Case]) -> None:
        """Tell every method the network; those that cannot score the level's rows fail."""
        for case in cases:
            if case[0] in self.unusable:
                self.failures.reasons[case] = self.unusable[case[0]]
            self.failures.run(case, partial(self._attach, self.detectors[case[0]], case[1]))

    def _attach(self, detector: Detector, protocol: str) -> None:
        if not self.level.protocols and protocol != "no-ood":
            raise ValueError(
                f"{detector.name} needs protocol {protocol}, which {self.level.name} level lacks"
            )
        detector.attach(self.level.model_info)
        if reason := self.level.unsupported(detector):
            raise ValueError(f"{detector.name} {reason}")
        self.level.fit_probes_of([detector])  # what these raise costs this method too
        for choice in detector.param_grid():
            detector.with_params(**choice)

    def fit(self, cases: Sequence[Case], train: Measurement) -> None:
        """Fit every method on the fit set, once for all of its protocols."""
        for name in dict.fromkeys(name for name, _ in cases):
            own = [case for case in cases if case[0] == name]
            self.failures.run(own[0], partial(self._fit, self.detectors[name], train))
            if failure := self.failures.reasons.get(own[0]):
                self.failures.reasons |= dict.fromkeys(own, failure)

    def _fit(self, detector: Detector, train: Measurement) -> None:
        rows = self.level.fit_rows(train)
        self.n_fit = rows.images
        whole = self.level.name == IMAGE and TASKS[self.level.model_info.task].classified
        if detector.needs_labels and whole and bool((rows["labels"] < 0).any()):
            raise ValueError(
                f"{detector.name} needs the true class of every fit image; {self.level.data.name} has none"
            )
        self.level.fit(detector, rows)
        self.level.probes_of([detector])
        if detector.perturbations() and not self.level.protocols:
            raise ValueError(f"{detector.name} takes input steps, which exist for whole images only")

    def calibrate(self, case: Case, detector: Detector, validation: Measurement) -> None:
        """Calibrate on the validation set, and score it out of fold where the method learns from it."""

        def step() -> None:
            rows = self.level.calibration_rows(validation)
            fitted = copy.copy(detector)
            detector.calibrate(rows)
            groups = self.level.groups(rows)
            several = len(set(groups)) > 1  # of a single image no rate can be stated anyway
            if several and calibrates(detector) and detector.fixed_threshold is None:
                self.calibration[case] = out_of_fold_scores(fitted, rows, groups, self.level.model_info.seed)

        self.failures.run(case, step)

    def fitted(self, cases: Sequence[Case]) -> list[Detector]:
        """The detectors of cases that have not failed."""
        return [self.detectors[name] for name, _ in self.failures.alive(cases)]
