"""From what a run measured to its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.levels.base import Level
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.provenance import method_fields
from benchmarks.pipeline.scored import Scored
from benchmarks.results import Run
from datamodules import BenchmarkDataModule
from leaderboards.run_identity import run_id
from leaderboards.schema import IMAGE, PIXEL, Cost, Result
from lsood.extraction.measurement import Measurement
from lsood.text import short_names


def results_of(
    settings: Settings,
    data: BenchmarkDataModule,
    scored: Sequence[Scored],
    costs: Mapping[str, Any],
    training_seconds: Mapping[str, float | None],
    origin: Mapping[str, Any],
    batch_size: int | None = None,
) -> list[Run]:
    """A result per level, method and protocol, with its scores.

    Args:
        costs: fields of `leaderboards.schema.Cost` that all results of the run share.
        training_seconds: {method: of the network and its auxiliary ones; None where a checkpoint was given}.
        origin: see `benchmarks.pipeline.provenance.provenance`.
        batch_size: of the passes, where memory did not suffice for the one that was asked for.
    """
    runs = []
    halved = {} if batch_size is None else {"batch_size": batch_size}
    for one in scored:
        at_level = {"pixel_evaluator": settings.pixel_evaluator} if one.level == PIXEL else {}
        told = method_fields(settings, one, **_run_settings(settings, data), **at_level, **halved)
        cost = Cost(
            one.fit_seconds,
            one.score_seconds,
            one.peak_memory_mb,
            training_seconds=training_seconds.get(one.method) if one.level == IMAGE else None,
            **costs,
        )
        result = Result(
            level=one.level,
            method=one.method,
            protocol=one.protocol,
            ood=one.cells,
            cost=cost,
            n_fit=one.n_fit,
            **told,
            **origin,
        )
        runs.append(Run(dataclasses.replace(result, run_id=run_id(result)), one.scores))
    return runs


def pictures_of(
    levels: Sequence[Level], scored: Sequence[Scored], sets: Mapping[str, Measurement]
) -> dict[str, bytes]:
    """{path below a folder of results: PNG} of the pictures that belong beside the results."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for level in levels:
            level.write_figures([one for one in scored if one.level == level.name], sets, folder)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))
        }


def _run_settings(settings: Settings, data: BenchmarkDataModule) -> dict[str, Any]:
    """What all results of a run agree in, at every level: part of its identity."""
    shared = {
        "precision": settings.precision,
        "image_size": list(data.image_size),
        "recipe": data.recipe.name,
        "recipe_fingerprint": data.recipe.fingerprint,
        "severity": data.severity,
        "every_kind": data.every_kind,
    }
    if settings.leave_one_out:
        shared["leave_one_out"] = True
    if settings.keep_ratio:
        shared["keep_ratio"] = True
    if settings.calibrate_share is not None:
        shared["calibrate_share"] = settings.calibrate_share
    if settings.calibrate_on is not None:
        names = short_names((settings.calibrate_on, settings.ind, *settings.ood))
        shared["calibrate_on"] = names[settings.calibrate_on]
    return shared | ({"confidence": settings.confidence} if data.task == "detection" else {})
