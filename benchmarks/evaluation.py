"""One network, one in-distribution set, several OoD sets, every method: fit, tune, calibrate, score, judge.

Fit sees the fit set, calibration (PCA size, layer scales, thresholds) the validation set, both in-distribution; the
test set and the OoD sets are opened last and only scored. Protocols other than "no-ood" tune before that, see
`benchmarks.tuning`.
"""

from __future__ import annotations

import copy
import logging
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.extraction import Extraction
from benchmarks.strata import drawn_on, figures, sources_of, strata_of
from benchmarks.tuning import Adversarial, tuned, validation_rows
from datamodules import BenchmarkDataModule, ImageSet, Subset
from datamodules.imageset import fingerprint_of
from leaderboards import OodCell
from lsood import Activations, Detector, Subject, evaluate, threshold_at
from lsood.pixel_neighbours import PixelFeatures, PixelNeighbours
from lsood.probes import Perturbation, Probe, standard_probes

log = logging.getLogger("lsood-bench")
Case = tuple[str, str]
"""Method as typed, protocol."""
Judges = dict[Case, dict[str, Detector]]
"""{case: {OoD set, or "" for all: detector, taught where the protocol allows}}."""


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
class Evaluation:
    """Runs methods over the sets of a data module.

    Args:
        extraction: measures sets with the network under test.
        data: set up.
        subject: the network, as detectors see it.
        detectors: {name as typed: detector}.
        mask_seeds: further Monte-Carlo seeds measured in the same pass.
        false_alarm_rate: of the thresholds.
        protocols: every method runs under those of them it has a form for; under its own if it has none.
        unusable: {method: reason} of methods known to fail.
        objects: further probes, of every set's objects; of an object detector.

    Attributes:
        failures: {case: reason} of methods that could not be attached, fitted, tuned, calibrated or scored.
        sets, test: activations of every scored set, and of the in-distribution test set, after :meth:`run`.
    """

    extraction: Extraction
    data: BenchmarkDataModule
    subject: Subject
    detectors: Mapping[str, Detector]
    mask_seeds: Sequence[int] = ()
    false_alarm_rate: float = 0.05
    protocols: Sequence[str] = ("no-ood",)
    unusable: Mapping[str, str] = field(default_factory=dict)
    objects: Sequence[Probe] = ()
    failures: dict[Case, str] = field(default_factory=dict)
    seconds: dict[Case, float] = field(default_factory=dict)

    def _try(self, case: Case, step: Callable[[], Any]) -> Any:
        """Run a method's step; what goes wrong fails the method, not the run."""
        if case in self.failures:
            return None
        start = time.perf_counter()
        try:
            return step()
        except (ValueError, ArithmeticError, torch.linalg.LinAlgError) as error:
            self.failures[case] = str(error).splitlines()[0]
            log.warning("%s failed: %s", case[0], self.failures[case])
            return None
        finally:
            self.seconds[case] = self.seconds.get(case, 0.0) + time.perf_counter() - start

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
        self.failures |= {case: self.unusable[case[0]] for case in cases if case[0] in self.unusable}
        for case in cases:
            if self.data.task == "detection" and case[1] == "fgsm-val":
                self.failures[case] = (
                    "fgsm-val needs the loss of a classifier; an object detector has none per image"
                )
            self._try(case, partial(self.detectors[case[0]].attach, self.subject))
        alive = [case for case in cases if case not in self.failures]
        self.standard = [*standard_probes(self.subject, self.mask_seeds), *self.objects]
        self._fit(alive)
        fitted = [case for case in alive if case not in self.failures]
        stepping = [case for case in fitted if _steps(self._candidates(case))]
        judges: Judges = {
            case: {"": copy.copy(self.detectors[case[0]])} for case in fitted if case[1] == "no-ood"
        }
        judges |= self._tuned([case for case in stepping if case[1] != "no-ood"], {})
        sets = self._measure(judges)
        rest = [case for case in fitted if case not in stepping and case[1] != "no-ood"]
        judges |= self._tuned(rest, sets)
        self.sets, self.test = sets, sets["ind-test"]
        return {case: self._score(case, judges.get(case, {}), sets) for case in cases}

    def _probes(self, detectors: Iterable[Detector]) -> list[Probe]:
        return _distinct([*self.standard, *(p for d in detectors for p in d.probes())])

    def _fit(self, cases: Sequence[Case]) -> None:
        """Fit every method on the fit set, once for all of its protocols."""
        names = dict.fromkeys(name for name, _ in cases)
        probes = _distinct([*self.standard, *(p for n in names for p in self.detectors[n].fit_probes())])
        masked = any(map(self._pixels_of, self.data.ood_sets))
        features = PixelFeatures(self.subject.layers[-1], self.subject.num_classes)
        if masked:
            probes.append(features)
        train = self.extraction.measure(
            "fit", self.data.fit_dataloader(), self.data.sets["train"].fingerprint, probes
        )
        if masked:
            self.extraction.latent = PixelNeighbours.of(features.layer, train[features.name])
        for name in names:
            own = [case for case in cases if case[0] == name]
            self._try(own[0], partial(self.detectors[name].fit, train))
            self.failures |= {case: self.failures[own[0]] for case in own if own[0] in self.failures}

    def _candidates(self, case: Case) -> list[Detector]:
        detector = self.detectors[case[0]]
        return [detector.variant(**choice) for choice in detector.grid()]

    def _tuned(self, cases: Sequence[Case], sets: Mapping[str, Activations]) -> Judges:
        """Methods tuned on validation images of both sides: adversarial ones, or those of each OoD set.

        Args:
            sets: measured already; methods with input steps come before that, on the validation images alone.
        """
        judges: Judges = {}
        for protocol in dict.fromkeys(protocol for _, protocol in cases):
            own = [case for case in cases if case[1] == protocol]
            for ood in self.data.ood_sets if protocol == "oracle-val" else [""]:
                inside, outside = self._validation(ood, [d for c in own for d in self._candidates(c)], sets)
                for case in own:
                    judge = self._try(case, partial(tuned, self._candidates(case), inside, outside))
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
            chosen = Subset(images, validation_rows(images, self.subject.seed)[0])
            if title in sets:
                wanted = set(chosen.keys)
                rows = [i for i, key in enumerate(sets[title].keys_) if key in wanted]
                return sets[title].select(torch.tensor(rows))
            loader, name = self.data.loader(chosen), f"{title}: validation"
            return self.extraction.measure(name, loader, chosen.fingerprint, probes, steps)

        if ood:
            return measured("ind-test", self.data.sets["test"]), measured(ood, self.data.ood_sets[ood])
        images = self.data.sets["val"]
        chosen = Subset(images, validation_rows(images, self.subject.seed)[0])
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
                self._try(case, partial(detector.calibrate, sets["ind-val"]))
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

    def _score(self, case: Case, judges: Mapping[str, Detector], sets: dict[str, Activations]) -> Scored:
        fit_seconds, start = self.seconds.get(case, 0.0), time.perf_counter()
        frames: dict[str, pd.DataFrame] = {}
        thresholds: list[float] = []
        cells, n_calibration = [], 0
        known: dict[tuple[int, str], pd.DataFrame] = {}
        for ood, images in self.data.ood_sets.items():
            judge = judges.get(ood, judges.get(""))
            scores = self._frames(case, judge, sets, ood, known)
            threshold = None
            if scores:
                calibration = scores.pop("calibration")
                n_calibration = len(calibration)
                fixed = judge.decision if judge is not None else None
                threshold = fixed if fixed is not None else self._threshold(case, calibration)
            thresholds += [threshold] if threshold is not None else []
            inside, outside = scores.get("ind-test"), scores.get(ood)
            cells.append(self._cell(case, ood, images, inside, outside, threshold))
            frames = scores | frames
        score_seconds = time.perf_counter() - start
        empty = pd.DataFrame({"set": [], "key": [], "score": []})
        prototype = self.detectors[case[0]]
        return Scored(
            detector=next(iter(judges.values()), prototype),
            protocol=case[1],
            cells=cells,
            scores=pd.concat(frames.values(), ignore_index=True) if frames else empty,
            threshold=thresholds[0] if thresholds else None,
            n_calibration=n_calibration,
            fit_seconds=fit_seconds,
            score_seconds=score_seconds,
            peak_memory_mb=peak_memory_mb(self.extraction.device),
            tuned={} if case[1] == "no-ood" else {ood: d.params() for ood, d in judges.items()},
        )

    def _threshold(self, case: Case, calibration: pd.DataFrame) -> float | None:
        return self._try(case, partial(threshold_at, calibration["score"], self.false_alarm_rate))

    def _frames(
        self,
        case: Case,
        judge: Detector | None,
        sets: dict[str, Activations],
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
                known[key] = _frame(name, sets[name], judge.score(sets[name]))
            return known[key]

        def frames() -> dict[str, pd.DataFrame]:
            found = {name: score(name) for name in ("ind-val", "ind-test", ood)}
            found["calibration"] = found["ind-val"]
            sets = {"ind-test": self.data.sets["test"], ood: self.data.ood_sets[ood]}
            used = {"fgsm-val": {"calibration": self.data.sets["val"]}, "oracle-val": sets}
            for name, images in used.get(case[1], {}).items():
                free = {images.keys[i] for i in validation_rows(images, self.subject.seed)[1]}
                found[name] = found[name][found[name]["key"].isin(free)].reset_index(drop=True)
            return found

        return self._try(case, frames) or {}

    def _cell(
        self,
        case: Case,
        ood: str,
        images: ImageSet,
        inside: pd.DataFrame | None,
        outside: pd.DataFrame | None,
        threshold: float | None,
    ) -> OodCell:
        n_in = len(self.data.sets["test"]) if inside is None else len(inside)
        n_out = len(images) if outside is None else len(outside)
        failure, metrics, strata = self.failures.get(case), {}, []
        if failure is None and inside is not None and outside is not None and threshold is not None:
            try:
                sources = sources_of(
                    inside, outside, ood == f"{self.data.name}-anomalies" or ood.startswith("generated:")
                )
                metrics = figures(evaluate(inside["score"], outside["score"], threshold, sources=sources))
                strata = strata_of(inside, outside, sources)
            except ValueError as error:
                failure = str(error)
        elif failure is None:
            failure = "no scores"
        return OodCell(ood, images.origin, images.fingerprint, n_in, n_out, metrics, failure, strata=strata)


def _steps(detectors: Sequence[Detector]) -> list[Perturbation]:
    """The input steps of detectors, equal ones once."""
    return list({step.name: step for d in detectors for step in d.perturbations()}.values())


def _distinct(probes: Sequence[Probe]) -> list[Probe]:
    return list({probe.name: probe for probe in probes}.values())


def _frame(title: str, x: Activations, values: Tensor) -> pd.DataFrame:
    frame = pd.DataFrame({"set": title, "key": x.keys_, "score": values.double().numpy()})
    return frame.join(drawn_on(x), on="key")


def peak_memory_mb(device: str) -> float:
    """Peak memory so far: of the GPU's allocator, or of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
