"""One network, one in-distribution set, several OoD sets, every method at every level: fit, tune, calibrate, score.

Fit sees the fit set, calibration (PCA size, layer scales, thresholds) the validation set, both in-distribution; the
test set and the OoD sets are opened last and only scored. Protocols other than "no-ood" tune before that, see
`benchmarks.pipeline.tuning`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.failures import Case
from benchmarks.pipeline.left_one_out import left_one_out
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.pipeline.scored import Scored
from benchmarks.pipeline.scoring import Scoring
from benchmarks.pipeline.tuning import Adversarial, tuned, validation_rows
from datamodules import BenchmarkDataModule, ImageSet, Subset
from datamodules.imagesets.base import fingerprint_of
from datamodules.registry import ANOMALIES
from leaderboards.schema import IMAGE
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.out_of_fold import calibrates
from lsood.probes.base import Probe
from lsood.probes.objects import ObjectProbe
from lsood.probes.perturbation import Perturbation

TunedDetectors = dict[Case, dict[str, Detector]]
"""{case: {OoD set, or "" for all: detector, tuned where the protocol allows}}."""


@dataclass(frozen=True)
class Evaluated:
    """Results of every level, and the measurements of "ind-val" and "ind-test", where a level needs them, and of every
    OoD set.
    """

    scored: list[Scored]
    sets: dict[str, Measurement]

    def of(self, method: str, protocol: str = "no-ood", level: str = IMAGE) -> Scored:
        """What came of one method.

        Raises:
            KeyError: it did not run.
        """
        for one in self.scored:
            if (one.level, one.method, one.protocol) == (level, method, protocol):
                return one
        raise KeyError(f"{method} under {protocol} did not run at {level} level")


@dataclass
class Evaluation:
    """Runs methods over the sets of a data module.

    Args:
        extraction: measures sets with the network under test.
        data: set up.
        methods: of every level; the first level's may run under several protocols and take input steps.
        false_alarm_rate: of the thresholds.
        protocols: every method runs under those of them that it supports; under its default if it supports none.
        unsupported_protocols: {protocol: why the network's task does not have it}.
    """

    extraction: Extraction
    data: BenchmarkDataModule
    methods: Sequence[LevelMethods]
    false_alarm_rate: float = 0.05
    protocols: Sequence[str] = ("no-ood",)
    unsupported_protocols: Mapping[str, str] = field(default_factory=dict)
    _train: Measurement = field(init=False, repr=False)

    def run(self) -> Evaluated:
        """Everything."""
        cases = {own.level.name: own.cases(self.protocols) for own in self.methods}
        for own in self.methods:
            for case in cases[own.level.name]:
                if reason := self.unsupported_protocols.get(case[1]):
                    own.failures.reasons[case] = reason
            own.attach(cases[own.level.name])
        self._fit(cases)
        first = self.methods[0]
        alive = first.failures.alive(cases[first.level.name])
        stepping = [case for case in alive if _steps(self._candidates(case))]
        found: TunedDetectors = {
            case: {"": copy.copy(first.detectors[case[0]])} for case in alive if case[1] == "no-ood"
        }
        found |= self._tuned([case for case in stepping if case[1] != "no-ood"], {}, cases)
        rest = [case for case in alive if case not in stepping and case[1] != "no-ood"]
        sets = self._measure(found, cases, [d for case in rest for d in self._candidates(case)])
        found |= self._tuned(rest, sets, cases)
        scored = self._scored(first, cases[first.level.name], sets, found)
        for own in self.methods[1:]:
            own_cases = cases[own.level.name]
            detectors = {case: {"": own.detectors[case[0]]} for case in own.failures.alive(own_cases)}
            for case, one in detectors.items() if "ind-val" in sets else ():
                own.calibrate(case, one[""], sets["ind-val"])
            scored += self._scored(own, own_cases, sets, detectors)
        return Evaluated(scored, sets)

    def _scored(
        self,
        own: LevelMethods,
        cases: Sequence[Case],
        sets: Mapping[str, Measurement],
        found: TunedDetectors,
    ) -> list[Scored]:
        device = self.extraction.device
        scoring = Scoring(
            own.level, sets, self.false_alarm_rate, device, own.failures, own.n_fit, own.calibration
        )
        return [scoring.of(case, own.detectors[case[0]], found.get(case, {})) for case in cases]

    def _fit(self, cases: Mapping[str, Sequence[Case]]) -> None:
        probes: list[Probe] = []
        for own in self.methods:
            probes += own.level.probes()
            probes += own.level.fit_probes_of(own.fitted(cases[own.level.name]))
        images = self.data.sets["train"]
        train = self.extraction.measure(
            "fit", self.data.fit_dataloader(), images.fingerprint, _distinct(probes)
        )
        self._train = train
        for own in self.methods:
            own.fit(own.failures.alive(cases[own.level.name]), train)

    def _probes(
        self, detectors: Iterable[Detector], cases: Mapping[str, Sequence[Case]], ood: str = ""
    ) -> list[Probe]:
        """What is measured on a set: for the given detectors of the first level, and for the other levels' where they
        score rows of the set; of the in-distribution sets ("") only those levels do whose rows are scored one by one.
        """
        first, *others = self.methods
        probes = list(first.level.probes())
        if ood or first.level.row_scores:
            probes += first.level.probes_of(list(detectors))
        for own in others:
            probes += own.level.probes()
            if ood in own.level.ood_sets() or (not ood and own.level.row_scores):
                probes += own.level.probes_of(own.fitted(cases[own.level.name]))
        return _distinct(probes)

    def _candidates(self, case: Case) -> list[Detector]:
        detector = self.methods[0].detectors[case[0]]
        return [detector.with_params(**choice) for choice in detector.param_grid()]

    def _tuned(
        self,
        cases: Sequence[Case],
        sets: Mapping[str, Measurement],
        all_cases: Mapping[str, Sequence[Case]],
    ) -> TunedDetectors:
        """Methods tuned on validation images of both sides: adversarial ones, or those of each OoD set.

        Args:
            sets: measured already; methods with input steps come before that, on the validation images alone.
        """
        found: TunedDetectors = {}
        for protocol in dict.fromkeys(protocol for _, protocol in cases):
            own = [case for case in cases if case[1] == protocol]
            for ood in self.data.ood_sets if protocol == "oracle-val" else [""]:
                candidates = [d for c in own for d in self._candidates(c)]
                ind, other = self._validation(ood, candidates, sets, all_cases)
                for case in own:
                    step = partial(tuned, self._candidates(case), ind, other)
                    detector = self.methods[0].failures.run(case, step)
                    found.setdefault(case, {})
                    if detector is not None:
                        found[case][ood] = detector
        return found

    def _validation(
        self,
        ood: str,
        candidates: Sequence[Detector],
        sets: Mapping[str, Measurement],
        cases: Mapping[str, Sequence[Case]],
    ) -> tuple[Activations, Activations]:
        """Measured validation images of both sides: of the test set and an OoD set, which are scored without them;
        or ("") of the validation set, and the same made adversarial.
        """
        seed = self.methods[0].level.model_info.seed
        steps, probes = _steps(candidates), self._probes(candidates, cases)

        def measured(title: str, images: ImageSet) -> Activations:
            chosen = Subset(images, validation_rows(images, seed)[0])
            if title in sets:
                wanted = set(chosen.keys)
                rows = [i for i, key in enumerate(sets[title].images.ids) if key in wanted]
                return sets[title].images.select(torch.tensor(rows))
            loader, name = self.data.loader(chosen), f"{title}: validation"
            return self.extraction.measure(name, loader, chosen.fingerprint, probes, steps).images

        if ood:
            return measured("ind-test", self.data.sets["test"]), measured(ood, self.data.ood_sets[ood])
        first, images = self.methods[0], self.data.sets["val"]
        tuned_on_these = [
            case for case in first.failures.alive(cases[first.level.name]) if case[1] == "fgsm-val"
        ]
        everyone = [
            d for case in tuned_on_these for d in self._candidates(case)
        ]  # made and measured once for all
        chosen = Subset(images, validation_rows(images, seed)[0])
        return measured("ind-val", images), self._adversarial(chosen, self._probes(everyone, cases), steps)

    def _adversarial(self, images: ImageSet, probes: list[Probe], steps: list[Perturbation]) -> Activations:
        extraction, data = self.extraction, self.data
        moved = Adversarial(
            data.loader(images),
            extraction.network,
            data.mean,
            data.std,
            device=extraction.device,
            limit=extraction.limit,
        )
        fingerprint = fingerprint_of("fgsm", images.fingerprint, extraction.network_hash, moved.epsilon)
        found = extraction.measure("adversarial", moved, fingerprint, probes, steps)
        if moved.forwarded:
            before = extraction.forwarded.get("adversarial", 0)
            extraction.forwarded["adversarial"] = before + moved.forwarded
        return found.images

    def _measure(
        self, found: TunedDetectors, cases: Mapping[str, Sequence[Case]], candidates: Sequence[Detector]
    ) -> dict[str, Measurement]:
        """Measurements of the validation set, over which everything is calibrated, then of test and OoD sets.

        Args:
            candidates: detectors that are tuned on these measurements afterwards; they take no input steps.
        """
        own = [(ood, d) for of in found.values() for ood, d in of.items()]
        steps = _steps([d for _, d in own])
        detectors = [*(d for _, d in own), *candidates]
        probes = self._probes(detectors, cases)
        sets: dict[str, Measurement] = {}
        for name in self._ind_sets(cases):
            images = self.data.sets[name.removeprefix("ind-")]
            loader = self.data.val_dataloader() if name == "ind-val" else self.data.test_dataloader()
            sets[name] = self.extraction.measure(name, loader, images.fingerprint, probes, steps)
            for case, of in found.items() if name == "ind-val" else ():
                for detector in of.values() if case[1] == "no-ood" else ():
                    self.methods[0].calibrate(case, detector, sets[name])
        scored = {name for own in self.methods for name in own.level.ood_sets()}
        for name, loader in self.data.ood_dataloaders().items():
            if name not in scored:
                continue
            steps = _steps([d for ood, d in own if ood in ("", name)])
            images = self.data.ood_sets[name]
            left = self._left_one_out(found, name)
            for case, detector in left.items():
                found[case][name] = detector
            probes = self._probes([*left.values()] if left else detectors, cases, name)
            sets[name] = self.extraction.measure(
                name, loader, images.fingerprint, probes, steps, images.smallest_components
            )
        return sets

    def _left_one_out(self, found: TunedDetectors, ood: str) -> dict[Case, Detector]:
        """The detectors of a set whose anomalies are drawn on the fit images; {} of any other set."""
        if not self.data.leave_one_out or ood != f"{self.data.name}{ANOMALIES}":
            return {}
        first, images = self.methods[0], self.data.ood_sets[ood]
        rows, sources = first.level.fit_rows(self._train), dict(zip(images.keys, images.sources, strict=True))
        made = {
            case: first.failures.run(case, partial(left_one_out, of[""], rows, sources))
            for case, of in found.items()
        }
        return {case: detector for case, detector in made.items() if detector is not None}

    def _ind_sets(self, cases: Mapping[str, Sequence[Case]]) -> list[str]:
        """The in-distribution sets that are measured beside the fit set: where only score maps of OoD images are
        evaluated the validation images alone, if there are any and a method is calibrated on them.
        """
        if any(own.level.row_scores for own in self.methods):
            return ["ind-val", "ind-test"]
        learning = any(calibrates(d) for own in self.methods for d in own.fitted(cases[own.level.name]))
        return ["ind-val"] if learning and len(self.data.sets["val"]) else []


def _steps(detectors: Sequence[Detector]) -> list[Perturbation]:
    """The input steps of detectors, equal ones once."""
    return list({step.name: step for d in detectors for step in d.perturbations()}.values())


def _distinct(probes: Sequence[Probe]) -> list[Probe]:
    return list({(isinstance(probe, ObjectProbe), probe.name): probe for probe in probes}.values())
