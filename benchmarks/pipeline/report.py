"""From what a run measured to results on disk: JSON and parquet files per method, pixel score or method on objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.failures import Case
from benchmarks.pipeline.provenance import method_fields
from benchmarks.pipeline.scoring import Scored
from benchmarks.pipeline.training import Trained
from benchmarks.tasks.objects import ObjectScored
from benchmarks.tasks.pixels import pixel_cells
from leaderboards import Cost, Result
from leaderboards.object_schema import ObjectResult
from leaderboards.pixel_schema import PixelResult


def write_images(
    settings: Settings,
    evaluation: Evaluation,
    trained: Trained,
    auxiliary_networks: Mapping[str, float],
    scored: Mapping[Case, Scored],
    forwarded: dict[str, int],
    origin: Mapping[str, Any],
    folder: Path,
) -> list[Path]:
    """Save a result per method and protocol; returns the JSON files.

    Args:
        companions: {method: seconds that training its further networks took}.
        origin: see `benchmarks.pipeline.provenance.provenance`.
    """
    data, paths = evaluation.data, []
    for (name, protocol), one in scored.items():
        told = method_fields(
            settings,
            one.detector,
            one.threshold,
            one.n_calibration,
            precision=settings.precision,
            image_size=list(data.image_size),
            recipe=data.recipe.name,
            recipe_fingerprint=data.recipe.fingerprint,
            severity=data.severity,
            every_kind=data.every_kind,
        )
        if one.tuned:
            told["settings"]["tuned"] = one.tuned
        training = None if trained.seconds is None else trained.seconds + auxiliary_networks.get(name, 0.0)
        cost = Cost(
            one.fit_seconds,
            one.score_seconds,
            one.peak_memory_mb,
            forwarded,
            training,
            evaluation.extraction.seconds,
        )
        result = Result(method=name, protocol=protocol, ood=one.cells, cost=cost, **told, **origin)
        paths.append(result.save(folder, one.scores))
    return paths


def write_objects(
    settings: Settings,
    image_size: tuple[int, int],
    scored: Mapping[str, ObjectScored],
    origin: Mapping[str, Any],
    folder: Path,
) -> list[Path]:
    """Save a result per method on single detections; nothing where no objects were scored."""
    paths = []
    for name, one in scored.items():
        result = ObjectResult(
            method=name,
            protocol="no-ood",
            image_size=list(image_size),
            ood=one.cells,
            n_fit=one.n_fit,
            fit_seconds=one.fit_seconds,
            score_seconds=one.score_seconds,
            **method_fields(
                settings, one.detector, one.threshold, one.n_calibration, confidence=settings.confidence
            ),
            **origin,
        )
        paths.append(result.save(folder, one.scores))
    return paths


def write_pixels(evaluation: Evaluation, origin: Mapping[str, Any], folder: Path) -> list[Path]:
    """Save a result per pixel score; nothing where no set has anomaly masks."""
    size = list(evaluation.data.image_size)
    return [
        PixelResult(score=score, image_size=size, ood=cells, **origin).save(folder)
        for score, cells in pixel_cells(evaluation).items()
    ]
