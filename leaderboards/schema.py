"""The result of one run of one method: a JSON file, its scores in a parquet file beside it. Leaderboards are
built from these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboards.store import read_checked, save_record, save_table, stem

SCHEMA = 1


@dataclass(frozen=True)
class MetricValue:
    """A metric and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class IndInfo:
    """The in-distribution set, its three parts, and how well the network does on its test part."""

    name: str
    task: str
    origin: str
    fingerprint: str
    n_fit: int
    n_val: int
    n_test: int
    network_metrics: dict[str, float]


@dataclass(frozen=True)
class Stratum:
    """A part of an OoD set against all in-distribution images: the images of a kind of anomaly, of a severity,
    or of both; no metrics where there are too few of them (n).
    """

    kind: str | None
    severity: int | None
    n: int
    metrics: dict[str, MetricValue]


@dataclass(frozen=True)
class OodCell:
    """One method on one OoD set: metrics, or the reason why there are none; ``strata``: the same by kind of anomaly
    and severity where anomalies were drawn.

    ``naive`` is the AUROC of the naive detector on the same images; None: it did not run.
    """

    name: str
    origin: str
    fingerprint: str
    n_in: int
    n_out: int
    metrics: dict[str, MetricValue]
    failure: str | None
    naive: float | None = None
    strata: list[Stratum] = field(default_factory=list)


@dataclass(frozen=True)
class ThresholdInfo:
    """Alarm when score > value; chosen on n_calibration in-distribution images for the given rate."""

    value: float
    false_alarm_rate: float
    n_calibration: int


@dataclass(frozen=True)
class NetworkInfo:
    """The network under test; ``checkpoint`` is the sha256 of its weights."""

    name: str
    checkpoint: str
    parameters: int
    latent_layer: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Cost:
    """Seconds of fit and of scoring without the shared pass, peak memory of the process, images forwarded by
    phase. Seconds that training took, of the network and of those the method brings along (None: a checkpoint was
    given), and the passes over images, shared by all methods of the run.
    """

    fit_seconds: float
    score_seconds: float
    peak_memory_mb: float
    images_forwarded: dict[str, int]
    training_seconds: float | None = None
    pass_seconds: float | None = None


@dataclass(frozen=True)
class Environment:
    """Versions and hardware."""

    python: str
    torch: str
    lightning: str
    device: str
    threads: int
    platform: str


@dataclass(frozen=True)
class Result:
    """One run of one method on one network."""

    method: str
    paper: str
    protocol: str
    seed: int
    ind: IndInfo
    ood: list[OodCell]
    threshold: ThresholdInfo | None
    network: NetworkInfo
    settings: dict[str, Any]
    cost: Cost
    environment: Environment
    created: str
    command: str
    version: str
    git: str | None
    schema: int = SCHEMA

    def save(self, folder: Path, scores: pd.DataFrame | None = None) -> Path:
        """Write ``<method>-seed<seed>.json``, with the protocol behind the method where it is not "no-ood", and,
        with scores (columns set, key, score), the parquet file beside it.
        """
        path = folder / f"{stem(self.method, self.protocol, self.seed)}.json"
        if scores is not None:
            save_table(scores, path.with_suffix(".parquet"))
        save_record(self, path)
        return path

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read and check a result.

        Raises:
            ValueError: naming the file and the first field that is missing, unknown or of another type.
        """
        return read_checked(cls, path, SCHEMA)

    def scores(self, path: Path) -> pd.DataFrame | None:
        """The scores beside a result's JSON file; None where there are none."""
        parquet = path.with_suffix(".parquet")
        return pd.read_parquet(parquet) if parquet.is_file() else None


def result_files(folder: Path) -> list[Path]:
    """The result files of a folder, sorted.

    Raises:
        FileNotFoundError: no such folder, or none in it.
    """
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise FileNotFoundError(f"no results (*.json) in {folder}")
    return paths


def load_results(folder: Path) -> list[Result]:
    """Every result of a folder, in the order of the file names."""
    return [Result.load(path) for path in result_files(folder)]
