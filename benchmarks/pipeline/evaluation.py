"""One network, one in-distribution set, several OoD sets, every method: fit, tune, calibrate, score, judge.

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
from benchmarks.pipeline.failures import Attempts, Case
from benchmarks.pipeline.scoring import Scored, Scoring
from benchmarks.pipeline.tuning import Adversarial, tuned, validation_rows
from datamodules import BenchmarkDataModule, ImageSet, Subset
from datamodules.imagesets.base import fingerprint_of
from lsood import Activations, Detector, ModelInfo
from lsood.probes.image import Perturbation, Probe, standard_probes
from lsood.probes.pixel_neighbours import PixelFeatures, PixelNeighbours

Judges = dict[Case, dict[str, Detector]]
"""{case: {OoD set, or "" for all: detector, taught where the protocol allows}}."""


@dataclass
class Evaluation:
    """Runs methods over the sets of a data module.

    Args:
        extraction: measures sets with the network under test.
        data: set up.
        model_info: the network, as detectors see it.
        detectors: {name as typed: detector}.
        mask_seeds: further Monte-Carlo seeds measured in the same pass.
        false_alarm_rate: of the thresholds.
        protocols: every method runs under those of them it has a form for; under its own if it has none.
        unusable: {method: reason} of methods known to fail.
        objects: further probes, of every set's objects; of an object detector.

    Attributes:
        attempts: what went wrong with which method, and how long it took.
        sets, test: activations of every scored set, and of the in-distribution test set, after :meth:`run`.
    """

    extraction: Extraction
    data: BenchmarkDataModule
    model_info: ModelInfo
    detectors: Mapping[str, Detector]
    mask_seeds: Sequence[int] = ()
    false_alarm_rate: float = 0.05
    protocols: Sequence[str] = ("no-ood",)
    unusable: Mapping[str, str] = field(default_factory=dict)
    objects: Sequence[Probe] = ()
    attempts: Attempts = field(default_factory=Attempts)

    def cases(self) -> list[Case]:
        """Every method with every protocol it runs under."""
        found = []
        for name, detector in self.detectors.items():
            wanted = [p for p in self.protocols if p in detector.protocols]
            found += [(name, protocol) for protocol in wanted or detector.protocols[:1]]
        return found

    def run(self) -> dict[Case, Scored]:
        """Everything; {(method, protocol): what came of it}."""
        cases = self.cases()
        self.attempts.failures |= {case: self.unusable[case[0]] for case in cases if case[0] in self.unusable}
        for case in cases:
            if self.data.task == "detection" and case[1] == "fgsm-val":
                self.attempts.failures[case] = (
                    "fgsm-val needs the loss of a classifier; an object detector has none per image"
                )
            self.attempts.run(case, partial(self.detectors[case[0]].attach, self.model_info))
        alive = self.attempts.alive(cases)
        self.standard = [*standard_probes(self.model_info, self.mask_seeds), *self.objects]
        self._fit(alive)
        fitted = self.attempts.alive(alive)
        stepping = [case for case in fitted if _steps(self._candidates(case))]
        judges: Judges = {
            case: {"": copy.copy(self.detectors[case[0]])} for case in fitted if case[1] == "no-ood"
        }
        judges |= self._tuned([case for case in stepping if case[1] != "no-ood"], {})
        sets = self._measure(judges)
        rest = [case for case in fitted if case not in stepping and case[1] != "no-ood"]
        judges |= self._tuned(rest, sets)
        self.sets, self.test = sets, sets["ind-test"]
        scoring = Scoring(
            self.data,
            sets,
            self.model_info.seed,
            self.false_alarm_rate,
            self.extraction.device,
            self.attempts,
        )
        return {case: scoring.of(case, self.detectors[case[0]], judges.get(case, {})) for case in cases}

    def _probes(self, detectors: Iterable[Detector]) -> list[Probe]:
        return _distinct([*self.standard, *(p for d in detectors for p in d.probes())])

    def _fit(self, cases: Sequence[Case]) -> None:
        """Fit every method on the fit set, once for all of its protocols."""
        names = dict.fromkeys(name for name, _ in cases)
        probes = _distinct([*self.standard, *(p for n in names for p in self.detectors[n].fit_probes())])
        masked = any(map(self._pixels_of, self.data.ood_sets))
        features = PixelFeatures(self.model_info.layers[-1], self.model_info.num_classes)
        if masked:
            probes.append(features)
        train = self.extraction.measure(
            "fit", self.data.fit_dataloader(), self.data.sets["train"].fingerprint, probes
        )
        if masked:
            self.extraction.latent = PixelNeighbours.of(features.layer, train[features.name])
        for name in names:
            own = [case for case in cases if case[0] == name]
            self.attempts.run(own[0], partial(self.detectors[name].fit, train))
            if failure := self.attempts.failures.get(own[0]):
                self.attempts.failures |= dict.fromkeys(own, failure)

    def _candidates(self, case: Case) -> list[Detector]:
        detector = self.detectors[case[0]]
        return [detector.with_params(**choice) for choice in detector.param_grid()]

    def _tuned(self, cases: Sequence[Case], sets: Mapping[str, Activations]) -> Judges:
        """Methods tuned on validation images of both sides: adversarial ones, or those of each OoD set.

        Args:
            sets: measured already; methods with input steps come before that, on the validation images alone.
        """
        judges: Judges = {}
        for protocol in dict.fromkeys(protocol for _, protocol in cases):
            own = [case for case in cases if case[1] == protocol]
            for ood in self.data.ood_sets if protocol == "oracle-val" else [""]:
                scores_in, scores_out = self._validation(
                    ood, [d for c in own for d in self._candidates(c)], sets
                )
                for case in own:
                    judge = self.attempts.run(
                        case, partial(tuned, self._candidates(case), scores_in, scores_out)
                    )
                    judges.setdefault(case, {})
                    if judge is not None:
                        judges[case][ood] = judge
        return judges

    def _validation(
        self, ood: str, candidates: Sequence[Detector], sets: Mapping[str, Activations]
    ) -> tuple[Activations, Activations]:
        """Measured validation images of both sides: of the test set and an OoD set, which are scored without them;
        or ("") of the validation set, and the same made adversarial.
        """
        steps, probes = _steps(candidates), self._probes(candidates)

        def measured(title: str, images: ImageSet) -> Activations:
            chosen = Subset(images, validation_rows(images, self.model_info.seed)[0])
            if title in sets:
                wanted = set(chosen.keys)
                rows = [i for i, key in enumerate(sets[title].ids) if key in wanted]
                return sets[title].select(torch.tensor(rows))
            loader, name = self.data.loader(chosen), f"{title}: validation"
            return self.extraction.measure(name, loader, chosen.fingerprint, probes, steps)

        if ood:
            return measured("ind-test", self.data.sets["test"]), measured(ood, self.data.ood_sets[ood])
        images = self.data.sets["val"]
        chosen = Subset(images, validation_rows(images, self.model_info.seed)[0])
        return measured("ind-val", images), self._adversarial(chosen, probes, steps)

    def _adversarial(self, images: ImageSet, probes: list[Probe], steps: list[Perturbation]) -> Activations:
        extraction, data = self.extraction, self.data
        moved = Adversarial(
            data.loader(images), extraction.network, data.mean, data.std, device=extraction.device
        )
        fingerprint = fingerprint_of("fgsm", images.fingerprint, extraction.network_hash, moved.epsilon)
        found = extraction.measure("adversarial", moved, fingerprint, probes, steps)
        if moved.forwarded:
            before = extraction.forwarded.get("adversarial", 0)
            extraction.forwarded["adversarial"] = before + moved.forwarded
        return found

    def _measure(self, judges: Judges) -> dict[str, Activations]:
        """Activations of the validation set, over which everything is calibrated, then of test and OoD sets."""
        own = [(ood, d) for of in judges.values() for ood, d in of.items()]
        probes, steps = self._probes(d for _, d in own), _steps([d for _, d in own])
        sets = {
            "ind-val": self.extraction.measure(
                "ind-val",
                self.data.val_dataloader(),
                self.data.sets["val"].fingerprint,
                probes,
                steps,
            )
        }
        for case, of in judges.items():
            for detector in of.values() if case[1] == "no-ood" else ():
                self.attempts.run(case, partial(detector.calibrate, sets["ind-val"]))
        sets["ind-test"] = self.extraction.measure(
            "ind-test", self.data.test_dataloader(), self.data.sets["test"].fingerprint, probes, steps
        )
        for name, loader in self.data.ood_dataloaders().items():
            steps = _steps([d for ood, d in own if ood in ("", name)])
            fingerprint = self.data.ood_sets[name].fingerprint
            sets[name] = self.extraction.measure(
                name, loader, fingerprint, probes, steps, self._pixels_of(name)
            )
        return sets

    def _pixels_of(self, name: str) -> bool:
        """Whether pixel scores are to be tallied on a set."""
        images = self.data.ood_sets.get(name)
        return images is not None and images.masked and self.data.task == "segmentation"


def _steps(detectors: Sequence[Detector]) -> list[Perturbation]:
    """The input steps of detectors, equal ones once."""
    return list({step.name: step for d in detectors for step in d.perturbations()}.values())


def _distinct(probes: Sequence[Probe]) -> list[Probe]:
    return list({probe.name: probe for probe in probes}.values())
