"""The main job behind `benchmarks.evaluate` and the commands: train, extract, fit and score, seed after seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.table import Table

from anomalies.recipe import recipe_of
from benchmarks.console import to_file, unwatched, watch
from benchmarks.features.network import ClosedNetwork
from benchmarks.features.run import FEATURES, closed
from benchmarks.naive import beside_naive
from benchmarks.pipeline.alarm_rates import check_rate
from benchmarks.pipeline.calibration import calibration_images, measured_data
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.given import NOTHING, Given
from benchmarks.pipeline.interval_notes import tell_intervals
from benchmarks.pipeline.prepared import prepare
from benchmarks.pipeline.provenance import provenance
from benchmarks.pipeline.report import pictures_of, results_of
from benchmarks.predictions.run import stated
from benchmarks.results import RESULTS, Results
from benchmarks.tasks import TASKS
from benchmarks.tasks.base import Task
from benchmarks.tracking import tracking
from benchmarks.tracking.told import tell
from benchmarks.under_test.asked import under_test
from benchmarks.under_test.cached import Trained
from benchmarks.under_test.describe import describe
from benchmarks.under_test.outside import data_input
from benchmarks.under_test.sanity import checked
from benchmarks.under_test.training import network_name
from datamodules import BenchmarkDataModule, cache_dir, module_of
from datamodules.imagesets.check import check_files
from datamodules.imagesets.contents import reading_everything
from datamodules.imagesets.left_out import LeftOut, current, without_unreadable
from datamodules.registry import below_data_root
from leaderboards.build import build
from leaderboards.schema import PIXEL
from lsood.extraction.measurement import Measurement
from lsood.io import log
from lsood.methods import chosen, method_class
from lsood.text import one_line, slug
from networks.outside.spec import is_predictions

FALSE_ALARM_RATE = 0.05


def data_module(settings: Settings, given: Given = NOTHING) -> BenchmarkDataModule:
    """The in-distribution data module with its OoD sets, ready to load, without the images whose files are at fault
    (see `datamodules.imagesets.check.check_files`); outside of `datamodules.imagesets.left_out.leaving_out` there must
    be none.

    Raises:
        ValueError: too many images cannot be read; all of them are told.
    """
    tested = () if given.data is not None else (settings.ind, *settings.ood)
    if (settings.data_root is None or settings.miniature) and any(map(below_data_root, tested)):
        why = "no --data-root is given" if settings.data_root is None else "--miniature is given"
        log.warning("%s: the data sets are generated miniatures", why)
    data = _made(settings, given)
    known = [] if settings.calibrate_on is None else [calibration_images(data, settings.calibrate_on)]
    if check_files([*data.sets.values(), *known, *data.ood_sets.values()], current() or LeftOut(0)):
        data = _made(settings, given)
    if not (settings.trains_alone or settings.describe_network):
        check_levels(settings, data)
    return data


def check_levels(settings: Settings, data: BenchmarkDataModule) -> None:
    """Raise ValueError where the levels of a run cannot be evaluated on its data."""
    there = TASKS.about(data.task, "default_methods")
    if missing := [level for level in settings.levels if level not in there]:
        raise ValueError(f"--level {missing[0]}: {data.task} has the levels {', '.join(there)}")
    others = [spec for spec in settings.methods if not set(method_class(spec).levels) & set(settings.levels)]
    if settings.levels and others:
        rows = " or ".join(f"{level}s" for level in settings.levels)
        if len(others) == len(settings.methods):
            raise ValueError(
                f"no method of this run scores {rows}; --level {' '.join(settings.levels)} needs one"
            )
        log.info("methods that do not score %s are left out: %s", rows, ", ".join(others))
    if settings.rows_of_ind and not len(data.sets["test"]):
        further = "; --level pixel needs none" if PIXEL in there else ""
        raise ValueError(f"{data.name} has no test images, which its layout ({data.layout}) names{further}")
    if settings.levels == (PIXEL,) and not any(images.masked for images in data.ood_sets.values()):
        raise ValueError(f"--level pixel: no anomaly masks in {', '.join(data.ood_sets)}")


def _made(settings: Settings, given: Given) -> BenchmarkDataModule:
    data: BenchmarkDataModule
    if isinstance(given.data, BenchmarkDataModule):
        data = given.data.copied(
            settings.ood,
            keep_ratio=settings.keep_ratio,
            leave_one_out=settings.leave_one_out,
            **data_input(settings, given.data),
        )
    else:
        kind = given.data or module_of(settings.ind, settings.keep_together)
        data = kind(
            settings.data_root,
            settings.ood,
            batch_size=settings.batch_size,
            num_workers=settings.workers,
            download=settings.download,
            miniature=settings.miniature,
            limit=settings.limit,
            recipe=None if settings.recipe is None else recipe_of(settings.recipe, settings.ind),
            severity=settings.severity,
            every_kind=settings.every_kind,
            keep_ratio=settings.keep_ratio,
            leave_one_out=settings.leave_one_out,
            **data_input(settings, kind),
        )
    data.given_ood = given.ood
    data.prepare_data()
    data.setup()
    return data


def chosen_methods(task: str, names: Sequence[str]) -> tuple[str, ...]:
    """Methods as typed, groups expanded to those that score rows of a level of the task."""
    return chosen(names, TASKS.about(task, "default_methods"))


def run_seed(settings: Settings, data: BenchmarkDataModule, seed: int, given: Given = NOTHING) -> Results:
    """Train (or load), measure and score every method for one seed."""
    name = network_name(settings, data) if given.network is None else FEATURES
    out = settings.out or Path("runs") / slug(data.name)
    with tracking(settings.track, out, f"{name}-{data.name}-seed{seed}"):
        return _run_seed(settings, data, seed, given)


def _run_seed(settings: Settings, data: BenchmarkDataModule, seed: int, given: Given) -> Results:
    whole, data = data, measured_data(data, settings)
    rate = FALSE_ALARM_RATE
    if settings.rows_of_ind:
        rate = check_rate(settings.false_alarm_rate, rate, len(data.sets["val"]))
    watched = watch if settings.progress else unwatched
    files: tuple[Trained, Extraction] | None = None
    if isinstance(given.network, ClosedNetwork):
        files = closed(given.network, data, watched)
    elif is_predictions(settings.network):
        files = stated(settings, data, watched)
    settings, trained = under_test(settings, whole, seed) if files is None else (settings, files[0])
    first = files is None and seed == settings.seeds[0]
    sanity, notes = checked(trained, whole, settings) if first else ({}, [])
    prepared = prepare(settings, trained, whole, data, seed)
    task = prepared.task
    extraction = files[1] if files else prepared.extraction(cache_dir() / "activations", watched)
    extraction.forwarded |= sanity
    evaluated = Evaluation(
        extraction,
        data,
        prepared.methods,
        rate,
        settings.protocols,
        {**task.unsupported_protocols, **data.unsupported_protocols},
    ).run()
    scored = beside_naive(evaluated.scored)
    tell_intervals(scored)
    figures = {
        part: _figures(task, evaluated.sets[f"ind-{part}"]) if settings.rows_of_ind else {}
        for part in ("test", "val")
    }
    forwarded = {**extraction.forwarded, "from_cache": extraction.from_cache}
    phases = ", ".join(f"{phase} {n}" for phase, n in extraction.forwarded.items()) or "none"
    log.info("images forwarded: %s; read from the cache: %d", phases, extraction.from_cache)
    costs = {"images_forwarded": forwarded, "pass_seconds": extraction.seconds}
    seconds = {
        one.method: None
        if trained.seconds is None
        else trained.seconds + prepared.own.seconds.get(one.method, 0.0)
        for one in scored
    }
    origin = provenance(settings, data, prepared.model_info, trained, figures, seed, notes)
    tell(settings, scored, origin)
    runs = results_of(settings, data, scored, costs, seconds, origin, extraction.limit.size)
    return Results(runs, pictures_of(prepared.levels, scored, evaluated.sets))


def _figures(task: type[Task], measured: Measurement) -> dict[str, float]:
    """How well the network does; {} and a warning where its outputs could not be measured, which costs no more."""
    try:
        return task.network_metrics(measured)
    except (ValueError, KeyError) as error:
        log.warning("the network's own metric is not known: %s", one_line(error))
        return {}


def run(settings: Settings, given: Given = NOTHING) -> Results:
    """The whole job. With a folder to write to (`Settings.out`), the results of every seed are written as soon as they
    are there, and leaderboard and figures at the end.

    Args:
        given: objects in place of names.
    """
    with (
        to_file(None if settings.out is None else settings.out / "run.log"),
        reading_everything(settings.verify_data),
    ):
        return without_unreadable(partial(_run, settings, given), settings.max_bad)


def described(settings: Settings, given: Given = NOTHING) -> Table:
    """What ``--describe-network`` shows, see `benchmarks.under_test.describe`."""
    return describe(settings, _made(dataclasses.replace(settings, ood=()), given))


def _run(settings: Settings, given: Given) -> Results:
    data = data_module(settings, given)
    if given.network is None:
        network_name(settings, data)
    if settings.precision not in (allowed := TASKS[data.task].precisions):
        raise ValueError(
            f"--precision {settings.precision}: networks for {data.task} run in {', '.join(allowed)}"
        )
    results = Results()
    for seed in settings.seeds:
        found = run_seed(settings, data, seed, given)
        if settings.out is not None:
            found.write(settings.out / RESULTS)
        results.add(found)
    if settings.out is not None:
        build(settings.out / RESULTS, settings.out)
    return results
