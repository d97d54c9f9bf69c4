"""What a seed of a run needs before an image is measured: its network, levels and methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.features.network import NO_NETWORK, ClosedNetwork
from benchmarks.levels.base import Level
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.tasks import TASKS
from benchmarks.tasks.base import Task, model_info_of
from benchmarks.under_test.auxiliary import Methods, image_methods, plain_methods
from benchmarks.under_test.cached import Trained
from benchmarks.under_test.outside import activations_hash
from datamodules import BenchmarkDataModule
from leaderboards.schema import IMAGE
from lsood.methods import method_class
from lsood.probes.base import ModelInfo


@dataclass(frozen=True)
class Prepared:
    """A seed of a run, ready to be measured.

    Attributes:
        data: that is measured, with the images that calibration is done on as "val".
        own: methods of the image level with their auxiliary networks. methods: of every level that is run.
    """

    settings: Settings
    data: BenchmarkDataModule
    task: type[Task]
    trained: Trained
    model_info: ModelInfo
    levels: list[Level]
    own: Methods
    methods: list[LevelMethods]

    def extraction(
        self,
        store: Path,
        watch: Callable[[str, Iterable[Any]], Iterable[Any]] = lambda title, batches: batches,
    ) -> Extraction:
        """What measures images with the network, through a cache."""
        return Extraction(
            self.trained.network,
            activations_hash(self.trained.network, self.trained.weights, self.data),
            self.data.preprocess.fingerprint,
            store,
            self.settings.device,
            watch,
            precision=self.settings.precision,
            network_name=self.trained.name,
            pixel_evaluator=self.settings.pixel_evaluator,
            image_shape=lambda: self.data.image_shape,
        )


def prepare(
    settings: Settings, trained: Trained, data: BenchmarkDataModule, measured: BenchmarkDataModule, seed: int
) -> Prepared:
    """Make the levels and methods of a seed; train or load the auxiliary networks of methods.

    Args:
        settings, trained: see `benchmarks.under_test.asked.under_test`.
        data: that networks are trained on. measured: the same, or with other images for calibration, see
            `benchmarks.pipeline.calibration.measured_data`.
    """
    task = TASKS[data.task]
    model_info = model_info_of(trained.network, measured, settings, seed, task)
    mask_seeds = settings.seeds if settings.checkpoints else (seed,)
    wanted = settings.levels or tuple(task.default_methods)
    levels: list[Level] = [
        level
        for level in task.levels(trained.network, measured, model_info, settings, mask_seeds)
        if level.name in wanted
    ]
    names = methods_at(IMAGE, settings, task) if IMAGE in wanted else []
    if isinstance(trained.network, ClosedNetwork):
        own = plain_methods(names, NO_NETWORK)
    else:
        own = image_methods(names, settings, data, trained, seed)
    methods = []
    for level in levels:
        plain = own
        if level.name != IMAGE:
            plain = plain_methods(methods_at(level.name, settings, task) if level.ood_sets() else [])
        methods.append(LevelMethods(level, plain.detectors, plain.failures))
    return Prepared(settings, measured, task, trained, model_info, levels, own, methods)


def methods_at(level: str, settings: Settings, task: type[Task]) -> list[str]:
    """The methods of a run that score rows of a level: those asked for, else the task's defaults. One that supports no
    level of the task stands at the image level, where it fails with the reason.
    """
    if not settings.methods:
        return list(task.default_methods.get(level, ()))
    found = []
    for spec in settings.methods:
        supported = method_class(spec).levels
        nowhere = level == IMAGE and not set(supported) & set(task.default_methods)
        if level in supported or nowhere:
            found.append(spec)
    return found
