"""What a run would do: sets, trainings, passes, time and disk. Nothing is trained, and of the cache only what the run
itself needs first is written: generated miniatures, and checksums of data files that were not known yet.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.levels.base import Level
from benchmarks.pipeline.calibration import measured_data
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.given import NOTHING, Given
from benchmarks.pipeline.job import check_levels, data_module
from benchmarks.pipeline.prepared import Prepared, prepare
from benchmarks.under_test.asked import under_test
from benchmarks.under_test.cached import Planned, planning
from benchmarks.under_test.sanity import IMAGES
from benchmarks.under_test.training import network_name, training_config_of
from datamodules import BenchmarkDataModule, ImageSet, Subset, cache_dir
from datamodules.imagesets.check import check_files
from datamodules.imagesets.contents import reading_everything
from datamodules.imagesets.left_out import LeftOut, current, without_unreadable
from lsood.detector import Detector
from lsood.io import log
from lsood.probes.base import Probe
from lsood.probes.perturbation import Perturbation
from lsood.text import reason, short_names
from networks.training.timing import step_seconds

SLOW = 5.0
"""Seconds for one image from which on two images are enough to tell the time of a pass."""


@dataclass
class Pass:
    """What a seed measures of a set.

    Attributes:
        title: of the set. images: of it. forwards: of an image through a network, 0: the cache has everything.
        seconds, size: estimated, of all images; None: they could not be measured.
    """

    title: str
    images: int
    forwards: int
    seconds: float | None = 0.0
    size: float | None = 0.0


@dataclass
class SeedPlan:
    """Trainings and passes of one seed.

    Attributes:
        step: seconds of a training step per image; None: no training is needed, or it could not be timed.
        batches: of a training epoch. methods: {level: names}. failures: {method: reason}, as known beforehand.
        weights: bytes of the network. notes: what the passes do not count.
    """

    seed: int
    trainings: list[Planned]
    images: int
    step: float | None = None
    passes: list[Pass] = field(default_factory=list)
    methods: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    weights: int = 0
    notes: list[str] = field(default_factory=list)

    def training_seconds(self, one: Planned) -> float | None:
        """Estimated, of a training; 0 of one that the cache has."""
        if one.cached:
            return 0.0
        return None if self.step is None else self.step * self.images * one.images * one.epochs


@dataclass
class Plan:
    """What a run would do.

    Attributes:
        data: with the OoD sets that were found. missing: {OoD set: why it cannot be read}.
    """

    data: BenchmarkDataModule
    missing: dict[str, str]
    network: str
    seeds: list[SeedPlan] = field(default_factory=list)


def plan(settings: Settings, given: Given = NOTHING) -> Plan:
    """The plan of a run; arguments as of `benchmarks.pipeline.job.run`.

    Raises:
        FileNotFoundError, ValueError: as the run itself, but for OoD sets that are not there.
    """
    if settings.features:
        raise ValueError("--dry-run plans trainings and passes over images; --features has neither")
    with reading_everything(settings.verify_data):
        return without_unreadable(partial(_plan, settings, given), settings.max_bad)


def _plan(settings: Settings, given: Given) -> Plan:
    settings = dataclasses.replace(settings, download=False, track=())
    data = data_module(dataclasses.replace(settings, ood=(), trains_alone=True), given)
    found: dict[str, ImageSet] = {}
    missing: dict[str, str] = {}
    for name, short in short_names(settings.ood).items():
        try:
            data.ood = (name,)
            found[short] = next(iter(data.load_ood_sets().values()))
        except (FileNotFoundError, ValueError) as error:
            missing[short] = reason(error)
    names = tuple(name for name, short in short_names(settings.ood).items() if short in found)
    if check_files(found.values(), current() or LeftOut(0)):
        data = data_module(dataclasses.replace(settings, ood=names), given)
    else:
        data.ood, data.ood_sets = names, found
    check_levels(settings, data)
    own = Plan(data, missing, network_name(settings, data))
    for seed in settings.seeds:
        own.seeds.append(_of_seed(settings, data, seed))
    return own


def _of_seed(settings: Settings, data: BenchmarkDataModule, seed: int) -> SeedPlan:
    with planning() as trainings:
        settings, trained = under_test(settings, data, seed)
        prepared = prepare(settings, trained, data, measured_data(data, settings), seed)
    own = SeedPlan(seed, trainings, len(data.sets["train"]))
    own.weights = sum(p.numel() * p.element_size() for p in prepared.trained.network.parameters())
    if any(not one.cached for one in trainings):
        own.step = _step(prepared, data)
    for methods in prepared.methods:
        cases = methods.cases(settings.protocols)
        methods.attach(cases)
        own.methods[methods.level.name] = list(methods.detectors)
        own.failures |= {method: why for (method, _), why in methods.failures.reasons.items()}
    own.notes = _uncounted(prepared)
    store = prepared.extraction(cache_dir() / "activations")
    with tempfile.TemporaryDirectory() as folder:
        sample = prepared.extraction(Path(folder))
        for title, images, probes, steps in expected(prepared):
            own.passes.append(_pass(prepared.data, store, sample, title, images, probes, steps))
    return own


def expected(
    prepared: Prepared,
) -> list[tuple[str, ImageSet, list[Probe], list[Perturbation]]]:
    """(title, images, probes, input steps) of every set that is measured, as far as they are known before anything is
    fitted. Validation images of tuning protocols are parts of these sets, or adversarial versions of them.
    """
    data, sets = prepared.data, prepared.data.sets
    first = prepared.methods[0]
    alive = {own.level.name: _alive(own.detectors, own.failures.reasons) for own in prepared.methods}
    fit = [p for own in prepared.methods for p in own.level.probes()]
    fit += [p for own in prepared.methods for d in alive[own.level.name] for p in _fit_probes(own.level, d)]
    found = [("fit", sets["train"], _distinct(fit), list[Perturbation]())]
    steps = list({s.name: s for d in alive[first.level.name] for s in _steps(d)}.values())
    scored = {name: images for name, images in data.ood_sets.items() if name in _names(prepared)}
    if prepared.settings.rows_of_ind:
        scored = {"ind-val": sets["val"], "ind-test": sets["test"], **scored}
    for title, images in scored.items():
        probes: list[Probe] = []
        for own in prepared.methods:
            probes += own.level.probes()
            known = title in ("ind-val", "ind-test") and own.level.row_scores
            if own is first or known or title in own.level.ood_sets():
                probes += [p for d in alive[own.level.name] for p in _probes(own.level, d)]
        found.append((title, images, _distinct(probes), steps))
    return found


def _names(prepared: Prepared) -> set[str]:
    """The OoD sets that any level evaluates."""
    return {name for own in prepared.methods for name in own.level.ood_sets()}


def _pass(
    data: BenchmarkDataModule,
    store: Extraction,
    sample: Extraction,
    title: str,
    images: ImageSet,
    probes: Sequence[Probe],
    steps: Sequence[Perturbation],
) -> Pass:
    missing = store.missing(images.fingerprint, probes, steps, images.smallest_components)
    members = sum(len(getattr(probe, "members", ())) for probe in missing.images)
    found = Pass(title, len(images), 1 + len(missing.steps) + members if missing else 0)
    if not missing:
        return found
    probes = [*missing.images, *missing.pixels, *missing.objects]
    masks = title in data.ood_sets

    def timed(rows: range, tag: str) -> tuple[float, int]:
        loader = data.loader(Subset(images, rows), masks=masks)
        before, start = _size(sample.store), time.perf_counter()
        smallest = images.smallest_components
        sample.measure(title, loader, f"{title} {tag}", probes, missing.steps, smallest)
        return time.perf_counter() - start, _size(sample.store) - before

    try:
        first, size = timed(range(1), "first")
        count = min(2 if first > SLOW else data.batch_size, len(images))
        seconds, size = timed(range(count), "second")
        found.seconds, found.size = seconds / count * len(images), size / count * len(images)
    except Exception as error:
        log.warning("%s: its pass could not be timed (%s)", title, reason(error))
        found.seconds = found.size = None
    return found


def _step(prepared: Prepared, data: BenchmarkDataModule) -> float | None:
    """Seconds of a training step per image."""
    config = training_config_of(prepared.settings, data, prepared.trained.name)
    size = min(config.batch_size, len(data.sets["train"]))
    loader = data.train_dataloader(size)
    try:
        arguments = data.task, data.num_classes, loader, config, prepared.settings.device
        return step_seconds(prepared.trained.network, *arguments) / size
    except Exception as error:
        log.warning("a training step could not be timed (%s)", reason(error))
        return None


def _alive(detectors: Mapping[str, Detector], failed: Mapping[tuple[str, str], str]) -> list[Detector]:
    return [one for name, one in detectors.items() if name not in {method for method, _ in failed}]


def _fit_probes(level: Level, detector: Detector) -> list[Probe]:
    return level.fit_probes_of([detector])


def _probes(level: Level, detector: Detector) -> list[Probe]:
    try:
        return level.probes_of([detector])
    except Exception:  # of a method that says what it needs once it is fitted
        return level.fit_probes_of([detector])


def _steps(detector: Detector) -> list[Perturbation]:
    """Input steps of a method that learns nothing; those of others are known once they are fitted."""
    return detector.perturbations() if type(detector).fit is Detector.fit else []


def _uncounted(prepared: Prepared) -> list[str]:
    """What passes may come beside those of `expected`."""
    found = []
    for name, detector in prepared.methods[0].detectors.items():
        steps = type(detector).perturbations is not Detector.perturbations
        if steps and type(detector).fit is not Detector.fit and getattr(detector, "epsilon", True):
            found.append(f"{name}: its input steps, further passes, are known once it is fitted")
    if "checkpoint" in prepared.trained.options and prepared.data.task in IMAGES:
        most = min(IMAGES[prepared.data.task], len(prepared.data.sets[prepared.data.tried_on]))
        found.append(
            f"the check of the network on {most} validation images, as they are and with reversed channels; more "
            "passes where it is near chance"
        )
    if others := [name for name in prepared.settings.protocols if name != "no-ood"]:
        found.append(f"{', '.join(others)}: the passes of tuning on validation images")
    return found


def _distinct(probes: Sequence[Probe]) -> list[Probe]:
    return list({(type(probe), probe.name): probe for probe in probes}.values())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
