"""From what a run measured to results on disk: one JSON and one parquet file per method and seed."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytorch_lightning
import torch

from benchmarks import object_report, pixels
from benchmarks.attempts import Case
from benchmarks.evaluation import Evaluation
from benchmarks.objects import ObjectScored
from benchmarks.scoring import Scored
from benchmarks.settings import Settings
from benchmarks.trained import Trained
from leaderboards import Cost, Environment, IndInfo, NetworkInfo, Result, ThresholdInfo


def environment(device: str) -> Environment:
    """Versions and hardware of this run."""
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"cpu ({platform.processor() or platform.machine()})"
    )
    return Environment(
        python=platform.python_version(),
        torch=torch.__version__,
        lightning=pytorch_lightning.__version__,
        device=name,
        threads=torch.get_num_threads(),
        platform=f"{platform.system()} {platform.machine()}",
    )


def git_commit() -> str | None:
    """The commit of the checkout the code runs from, with "+" when it has changes; None outside a
    checkout.
    """
    here = Path(__file__).resolve().parent
    try:
        ask = {"cwd": here, "capture_output": True, "text": True, "check": True, "timeout": 10}
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **ask).stdout.strip()  # type: ignore[call-overload]
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], **ask).stdout.strip()  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if dirty else "")


def package_version() -> str:
    """Version of the installed package."""
    try:
        return version("lsood-bench")
    except PackageNotFoundError:
        return "unknown"


def _training(trained: Trained, companions: float | None) -> float | None:
    """Seconds of training every network a method needs; None where they are not known."""
    return None if trained.seconds is None else trained.seconds + (companions or 0.0)


def write(
    settings: Settings,
    evaluation: Evaluation,
    trained: Trained,
    companions: dict[str, float],
    figures: dict[str, float],
    scored: dict[Case, Scored],
    forwarded: dict[str, int],
    seed: int,
    folder: Path,
    objects: dict[str, ObjectScored] | None = None,
) -> list[Path]:
    """Save a result per method, and per pixel score or method on objects; returns the JSON files.

    Args:
        objects: what came of methods on single detections.
        companions: {method: seconds that training its further networks took}.
    """
    data, subject = evaluation.data, evaluation.subject
    ind = IndInfo(
        name=data.name,
        task=data.task,
        origin=data.origin,
        fingerprint=data.fingerprint,
        n_fit=len(data.sets["train"]),
        n_val=len(data.sets["val"]),
        n_test=len(data.sets["test"]),
        network_metrics=figures,
    )
    network = NetworkInfo(
        name=trained.name,
        checkpoint=trained.weights,
        parameters=sum(p.numel() for p in trained.network.parameters()),
        latent_layer=subject.latent_layer,
        options=trained.options,
    )
    here = environment(settings.device)
    origin = {
        "command": settings.command or " ".join(sys.argv),
        "version": package_version(),
        "git": git_commit(),
    }
    paths = pixels.write(evaluation, ind, network, here, origin, seed, folder)
    paths += object_report.write(
        settings, objects or {}, data.image_size, ind, network, here, origin, seed, folder
    )
    for (name, protocol), result in scored.items():
        detector = result.detector
        learnt = {"n_components": int(detector.n_components_)} if hasattr(detector, "n_components_") else {}
        threshold = None
        if result.threshold is not None:
            threshold = ThresholdInfo(result.threshold, settings.false_alarm_rate, result.n_calibration)
        run = Result(
            method=name,
            paper=detector.paper,
            protocol=protocol,
            seed=seed,
            ind=ind,
            ood=result.cells,
            threshold=threshold,
            network=network,
            settings={
                "mc_samples": settings.mc_samples,
                "reduction": settings.reduction,
                "precision": settings.precision,
                "image_size": list(data.image_size),
                "recipe": data.recipe.name,
                "recipe_fingerprint": data.recipe.fingerprint,
                "severity": data.severity,
                "every_kind": data.every_kind,
                **detector.params(),
                **learnt,
                **({"tuned": result.tuned} if result.tuned else {}),
            },
            cost=Cost(
                result.fit_seconds,
                result.score_seconds,
                result.peak_memory_mb,
                forwarded,
                _training(trained, companions.get(name)),
                evaluation.extraction.seconds,
            ),
            environment=here,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **origin,  # type: ignore[arg-type]
        )
        paths.append(run.save(folder, result.scores))
    return paths
