"""What a tracker is told of a run that has been measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.scored import Scored
from benchmarks.tracking.base import current_tracker


def tell(settings: Settings, scored: Sequence[Scored], origin: Mapping[str, Any]) -> None:
    """Tell the tracker of the run its settings and provenance, and the metrics of network and methods.

    Metrics are named ``network/test/accuracy`` and ``image/knn/no-ood/cifar100/auroc``.

    Args:
        origin: see `benchmarks.pipeline.provenance.provenance`.
    """
    network, ind, tracker = origin["network"], origin["ind"], current_tracker()
    tracker.parameters(
        {
            "command": origin["command"],
            "version": origin["version"],
            "git": origin["git"],
            "seed": origin["seed"],
            "network": network.name,
            "weights": network.checkpoint,
            "data": ind.name,
            "data.origin": ind.origin,
            "data.fingerprint": ind.fingerprint,
            "ood": " ".join(settings.ood),
            "device": origin["environment"].device,
            "precision": settings.precision,
            "mc_samples": settings.mc_samples,
            "reduction": settings.reduction,
            **{f"training.{name}": value for name, value in network.options.items()},
        }
    )
    figures = {"test": ind.network_metrics, "val": ind.validation_metrics}
    found = {
        f"network/{part}/{name}": value for part, values in figures.items() for name, value in values.items()
    }
    for one in scored:
        for cell in one.cells:
            place = f"{one.level}/{one.method}/{one.protocol}/{cell.name}"
            found |= {f"{place}/{name}": metric.value for name, metric in cell.metrics.items()}
    tracker.metrics(found)
