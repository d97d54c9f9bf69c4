"""The main job behind the commands: train, measure, fit, score, judge and save, one seed after the other."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from rich.console import Console

from anomalies.sets.console import recipe_of
from benchmarks.console import to_file, watch
from benchmarks.naive import beside_naive
from benchmarks.pipeline import report
from benchmarks.pipeline.auxiliary import methods_for
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.provenance import provenance
from benchmarks.pipeline.training import from_checkpoint, network_name, train
from benchmarks.tasks import box_pictures
from benchmarks.tasks.objects import ObjectEvaluation, object_model_info
from benchmarks.tasks.subjects import model_info_of, network_metrics
from datamodules import DATAMODULES, BenchmarkDataModule, cache_dir
from leaderboards import load_results, rich_tables
from leaderboards.analysis.strata import rich_strata
from leaderboards.build import build
from leaderboards.object_schema import load_object_results
from leaderboards.pixel_schema import load_pixel_results
from leaderboards.tables.objects import rich_objects
from leaderboards.tables.pixels import rich_pixels
from lsood.probes.objects import object_probes

log = logging.getLogger("lsood-bench")


def data_module(settings: Settings) -> BenchmarkDataModule:
    """The in-distribution data module with its OoD sets, ready to load."""
    data = DATAMODULES[settings.ind](
        settings.data_root,
        settings.ood,
        batch_size=settings.batch_size,
        num_workers=settings.workers,
        download=settings.download,
        miniature=settings.miniature,
        limit=settings.limit,
        recipe=recipe_of(settings.recipe, settings.ind),
        severity=settings.severity,
        every_kind=settings.every_kind,
        image_size=settings.image_size,
    )
    data.prepare_data()
    data.setup()
    return data


def run_seed(settings: Settings, data: BenchmarkDataModule, seed: int, folder: Path) -> None:
    """Train (or load), measure, score and save every method for one seed."""
    trained = (
        from_checkpoint(settings, data, settings.checkpoints[0])
        if settings.checkpoints
        else train(settings, data, seed)
    )
    methods = methods_for(settings, data, trained, seed)
    model_info = model_info_of(trained.network, data, settings, seed)
    objects = object_model_info(trained.network, model_info) if data.task == "detection" else None
    extraction = Extraction(
        trained.network,
        trained.weights,
        data.preprocess.fingerprint,
        cache_dir() / "activations",
        settings.device,
        watch,
        precision=settings.precision,
    )
    mask_seeds = settings.seeds if settings.checkpoints else (seed,)
    evaluation = Evaluation(
        extraction,
        data,
        model_info,
        methods.detectors,
        mask_seeds,
        settings.false_alarm_rate,
        settings.protocols,
        methods.failures,
        object_probes(objects) if objects is not None else (),
    )
    scored = beside_naive(evaluation.run())
    figures = network_metrics(evaluation)
    scored_objects = {}
    if objects is not None:
        scored_objects = ObjectEvaluation(
            extraction, data, objects, evaluation.sets, settings.false_alarm_rate, settings.confidence
        ).run()
        box_pictures.write(evaluation, scored_objects, settings.confidence, folder)
    forwarded = {**extraction.forwarded, "from_cache": extraction.from_cache}
    log.info("images forwarded: %s", ", ".join(f"{k} {v}" for k, v in forwarded.items()))
    origin = provenance(settings, evaluation, trained, figures, seed)
    report.write_images(settings, evaluation, trained, methods.seconds, scored, forwarded, origin, folder)
    report.write_pixels(evaluation, origin, folder)
    report.write_objects(settings, data.image_size, scored_objects, origin, folder)


def run(settings: Settings) -> list[Path]:
    """The whole job; returns the files of the leaderboard."""
    start = time.perf_counter()
    to_file(settings.out / "run.log")
    data = data_module(settings)
    network_name(settings, data)
    if data.task == "detection" and settings.precision != "float32":
        raise ValueError(f"--precision {settings.precision}: object detectors are measured in float32")
    results = settings.out / "results"
    for seed in settings.seeds:
        run_seed(settings, data, seed, results)
    written = build(results, settings.out)
    output = Console()
    runs = load_results(results)
    beside = *rich_pixels(load_pixel_results(results)), *rich_objects(load_object_results(results))
    for table in (*rich_tables(runs), *rich_strata(runs), *beside):
        output.print(table)
    if any(images.origin == "miniature" for images in (*data.sets.values(), *data.ood_sets.values())):
        output.print(
            "[bold yellow]MINIATURE: generated images stand in for the real data; these numbers say nothing about them."
        )
    output.print(
        f"{settings.out}/leaderboard.html, .md, .csv and figures; {time.perf_counter() - start:.0f} s"
    )
    return written
