"""From scored objects to object-level results: a JSON and a parquet file per method and seed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.objects import ObjectScored
from benchmarks.settings import Settings
from leaderboards import IndInfo, ThresholdInfo
from leaderboards.object_schema import ObjectResult
from leaderboards.schema import Environment, NetworkInfo


def write(
    settings: Settings,
    scored: Mapping[str, ObjectScored],
    image_size: tuple[int, int],
    ind: IndInfo,
    network: NetworkInfo,
    environment: Environment,
    provenance: dict[str, str | None],
    seed: int,
    folder: Path,
) -> list[Path]:
    """Save a result per method; nothing where no objects were scored.

    Args:
        provenance: command, version, git.
    """
    paths = []
    for name, one in scored.items():
        threshold = None
        if one.threshold is not None:
            threshold = ThresholdInfo(one.threshold, settings.false_alarm_rate, one.n_calibration)
        components = getattr(one.detector, "n_components_", None)
        result = ObjectResult(
            method=name,
            paper=one.detector.paper,
            protocol="no-ood",
            seed=seed,
            ind=ind,
            image_size=list(image_size),
            ood=one.cells,
            threshold=threshold,
            network=network,
            settings={
                "mc_samples": settings.mc_samples,
                "reduction": settings.reduction,
                **one.detector.params(),
                **({} if components is None else {"n_components": int(components)}),
            },
            n_fit=one.n_fit,
            fit_seconds=one.fit_seconds,
            score_seconds=one.score_seconds,
            environment=environment,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **provenance,  # type: ignore[arg-type]
        )
        paths.append(result.save(folder, one.scores))
    return paths
