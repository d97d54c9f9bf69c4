"""Where results come from: code, versions, hardware, data and network, alike in all results of a run."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning
import torch

import lsood
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.scored import Scored
from benchmarks.under_test.cached import Trained
from datamodules import BenchmarkDataModule
from leaderboards.schema import Environment, IndInfo, NetworkInfo, ThresholdInfo
from lsood.probes.base import ModelInfo


def environment(device: str) -> Environment:
    """Versions and hardware of this run."""
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else f"{device} ({platform.processor() or platform.machine()})"
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
    """The commit of the checkout the code runs from, with "+" when tracked files have changes; None where the code is
    not part of a checkout, also where it is installed inside one of another project.
    """
    here = Path(__file__).resolve().parent
    try:
        ask = {"cwd": here, "capture_output": True, "text": True, "check": True, "timeout": 10}
        subprocess.run(["git", "ls-files", "--error-unmatch", Path(__file__).name], **ask)  # type: ignore[call-overload]
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **ask).stdout.strip()  # type: ignore[call-overload]
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], **ask).stdout.strip()  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if dirty else "")


def provenance(
    settings: Settings,
    data: BenchmarkDataModule,
    model_info: ModelInfo,
    trained: Trained,
    figures: dict[str, dict[str, float]],
    seed: int,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Fields that the results of a run share: seed, ind, network, environment, created, command, version and git.

    Args:
        figures: how well the network does on the in-distribution parts "test" and "val".
        notes: that belong on every page, beside those of the network's layers.
    """
    return {
        "seed": seed,
        "ind": IndInfo(
            name=data.name,
            task=data.task,
            origin=data.origin,
            fingerprint=data.fingerprint,
            n_fit=len(data.sets["train"]),
            n_val=len(data.sets["val"]),
            n_test=len(data.sets["test"]),
            network_metrics=figures["test"],
            validation_metrics=figures["val"],
            left_out=sorted({key for images in data.sets.values() for key in images.left_out}),
        ),
        "network": NetworkInfo(
            name=trained.name,
            checkpoint=trained.weights,
            parameters=sum(p.numel() for p in trained.network.parameters()),
            latent_layer=model_info.latent_layer,
            options=trained.options,
            notes=[*getattr(getattr(trained.network, "description", None), "notes", ()), *notes],
        ),
        "environment": environment(settings.device),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": settings.command or " ".join(sys.argv),
        "version": lsood.__version__,
        "git": git_commit(),
    }


def method_fields(settings: Settings, scored: Scored, **chosen: Any) -> dict[str, Any]:
    """Fields that results of a method have: paper, threshold and settings.

    Args:
        chosen: further settings of the run. A parameter of the method of the same name is stored as "method.<name>".
    """
    detector = scored.detector
    run = {"mc_samples": settings.mc_samples, "reduction": settings.reduction, **chosen}
    components = getattr(detector, "n_components_", None)
    threshold = None
    if scored.threshold is not None:
        threshold = ThresholdInfo(scored.threshold, scored.false_alarm_rate, scored.n_calibration)
    return {
        "paper": detector.paper,
        "threshold": threshold,
        "settings": {
            **run,
            **{
                f"method.{name}" if name in run else name: value
                for name, value in detector.get_params().items()
            },
            **({} if components is None else {"n_components": int(components)}),
            **({"tuned": scored.tuned} if scored.tuned else {}),
        },
    }
