"""One network, one in-distribution set, several OoD sets, every method: fit, calibrate, score, judge.

Fit sees the fit set, calibration (PCA size, layer scales, thresholds) sees the validation set, both
in-distribution; the test set and the OoD sets are only scored. Methods of protocol "oracle-val" see a seeded
half of the OoD set and are scored on the other.
"""

from __future__ import annotations

import copy
import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.extraction import Extraction
from benchmarks.strata import drawn_on, figures, halves, sources_of, strata_of
from datamodules import BenchmarkDataModule
from leaderboards import OodCell
from lsood import Activations, Detector, Subject, evaluate, threshold_at
from lsood.pixel_neighbours import PixelFeatures, PixelNeighbours
from lsood.probes import Perturbation, Probe, standard_probes

log = logging.getLogger("lsood-bench")


@dataclass
class Scored:
    """What came of one method.

    Attributes:
        cells: one per OoD set. scores: columns set, key, score; kind, severity, source where anomalies were
            drawn. threshold: None when the method failed.
        fit_seconds, score_seconds: of fit + calibration, and of scoring every set, without the shared pass.
    """

    cells: list[OodCell]
    scores: pd.DataFrame
    threshold: float | None
    fit_seconds: float
    score_seconds: float
    peak_memory_mb: float


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

    Attributes:
        failures: {method: reason} of methods that could not be attached, fitted, calibrated or scored.
        sets, test: activations of every scored set, and of the in-distribution test set, after :meth:`run`.
    """

    extraction: Extraction
    data: BenchmarkDataModule
    subject: Subject
    detectors: Mapping[str, Detector]
    mask_seeds: Sequence[int] = ()
    false_alarm_rate: float = 0.05
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def _try(self, name: str, step: Callable[[], Any]) -> Any:
        """Run a method's step; what goes wrong fails the method, not the run."""
        if name in self.failures:
            return None
        start = time.perf_counter()
        try:
            return step()
        except (ValueError, ArithmeticError, torch.linalg.LinAlgError) as error:
            self.failures[name] = str(error).splitlines()[0]
            log.warning("%s failed: %s", name, self.failures[name])
            return None
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def run(self) -> dict[str, Scored]:
        """Everything; {method: what came of it}."""
        standard = standard_probes(self.subject, self.mask_seeds)
        for name, detector in self.detectors.items():
            self._try(name, partial(detector.attach, self.subject))
        alive = {n: d for n, d in self.detectors.items() if n not in self.failures}
        fit_probes = _distinct([*standard, *(p for d in alive.values() for p in d.fit_probes())])
        probes = _distinct([*standard, *(p for d in alive.values() for p in d.probes())])

        masked = any(map(self._pixels_of, self.data.ood_sets))
        features = PixelFeatures(self.subject.layers[-1], self.subject.num_classes)
        if masked:
            fit_probes.append(features)
        train = self.extraction.measure(
            "fit", self.data.fit_dataloader(), self.data.sets["train"].fingerprint, fit_probes
        )
        if masked:
            self.extraction.latent = PixelNeighbours.of(features.layer, train[features.name])
        for name, detector in alive.items():
            self._try(name, partial(detector.fit, train))
        steps = [self._try(name, detector.perturbation) for name, detector in alive.items()]
        perturbations = list({step.name: step for step in steps if step is not None}.values())
        sets = self._measure(probes, perturbations)
        self.sets, self.test = sets, sets["ind-test"]
        for name, detector in alive.items():
            self._try(name, partial(detector.calibrate, sets["ind-val"]))
        return {name: self._score(name, detector, sets) for name, detector in self.detectors.items()}

    def _measure(self, probes: list[Probe], perturbations: list[Perturbation]) -> dict[str, Activations]:
        loaders = {
            "ind-val": (self.data.val_dataloader(), self.data.sets["val"]),
            "ind-test": (self.data.test_dataloader(), self.data.sets["test"]),
        }
        for name, loader in self.data.ood_dataloaders().items():
            loaders[name] = (loader, self.data.ood_sets[name])
        return {
            name: self.extraction.measure(
                name, loader, images.fingerprint, probes, perturbations, self._pixels_of(name)
            )
            for name, (loader, images) in loaders.items()
        }

    def _pixels_of(self, name: str) -> bool:
        """Whether pixel scores are to be tallied on a set."""
        images = self.data.ood_sets.get(name)
        return images is not None and images.masked and self.data.task == "segmentation"

    def _score(self, name: str, detector: Detector, sets: dict[str, Activations]) -> Scored:
        fit_seconds, start = self.seconds.get(name, 0.0), time.perf_counter()
        scores: dict[str, pd.DataFrame] = {}
        threshold: float | None = None
        if detector.protocol == "no-ood":
            for title, x in sets.items():
                values = self._try(name, partial(detector.score, x))
                if values is not None:
                    scores[title] = _frame(title, x, values)
            if "ind-val" in scores:
                rate = self.false_alarm_rate
                threshold = self._try(name, partial(threshold_at, scores["ind-val"]["score"], rate))
        score_seconds = time.perf_counter() - start
        cells = []
        for ood, images in self.data.ood_sets.items():
            if detector.protocol == "oracle-val":
                scores |= self._oracle(name, detector, sets, ood)
                threshold = detector.decision
            inside, outside = scores.get("ind-test"), scores.get(ood)
            cells.append(self._cell(name, ood, images, inside, outside, threshold))
        empty = pd.DataFrame({"set": [], "key": [], "score": []})
        return Scored(
            cells,
            pd.concat(scores.values(), ignore_index=True) if scores else empty,
            threshold,
            fit_seconds,
            score_seconds,
            peak_memory_mb(self.extraction.device),
        )

    def _oracle(
        self, name: str, detector: Detector, sets: dict[str, Activations], ood: str
    ) -> dict[str, pd.DataFrame]:
        """Scores of a method that sees a seeded half of the OoD set when it is fitted."""
        judge: Any = copy.deepcopy(detector)
        seen, held_out = halves(sets[ood], self.subject.seed)

        def fit_and_score() -> dict[str, pd.DataFrame]:
            judge.fit_oracle(sets["ind-val"], sets[ood].select(seen))
            rest = sets[ood].select(held_out)
            inside = _frame("ind-test", sets["ind-test"], judge.score(sets["ind-test"]))
            return {"ind-test": inside, ood: _frame(ood, rest, judge.score(rest))}

        return self._try(name, fit_and_score) or {}

    def _cell(
        self,
        name: str,
        ood: str,
        images: Any,
        inside: pd.DataFrame | None,
        outside: pd.DataFrame | None,
        threshold: float | None,
    ) -> OodCell:
        n_in = len(self.data.sets["test"]) if inside is None else len(inside)
        n_out = len(images) if outside is None else len(outside)
        failure, metrics, strata = self.failures.get(name), {}, []
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


def network_metrics(task: str, test: Activations) -> dict[str, float]:
    """Accuracy, or mean intersection over union of the classes that occur, on the in-distribution test
    set.
    """
    if task == "segmentation":
        confusion = test["confusion"].double().sum(0)
        overlap = confusion.diagonal()
        union = confusion.sum(0) + confusion.sum(1) - overlap
        return {"miou": float((overlap / union)[confusion.sum(1) > 0].mean())}
    return {"accuracy": float((test["logits"].argmax(1) == test["labels"]).double().mean())}
