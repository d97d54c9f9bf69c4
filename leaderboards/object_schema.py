"""Object-level results: how well one method's scores of single detections tell objects apart, and what becomes of
unknown objects. In the folder ``objects`` of the results a JSON file per method and seed, its scores in a parquet file
beside it, and pictures of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboards.schema import Environment, IndInfo, MetricValue, NetworkInfo, ThresholdInfo
from leaderboards.store import read_checked, save_record, save_table, stem

FOLDER = "objects"
COLUMNS = ("set", "key", "score")
VERSION = 1


@dataclass(frozen=True)
class UnknownObjects:
    """Labelled objects of no known class: n = found and flagged + taken for known + missed."""

    n: int
    flagged: int
    taken: int
    missed: int


@dataclass(frozen=True)
class ObjectCell:
    """One method on the objects of one OoD set.

    Attributes:
        n_images: of the OoD set. n_in, n_out: detections on in-distribution test images and on the OoD set's that the
            metrics of separation compare.
        metrics: of separation, the names of image-level metrics. failure: why there are none.
        unknown, open_set: unknown objects and the metrics `lsood.metrics.open_set_detection` has of them.
        open_set_failure: why there are none.
    """

    name: str
    origin: str
    fingerprint: str
    n_images: int
    n_in: int
    n_out: int
    metrics: dict[str, MetricValue]
    failure: str | None
    unknown: UnknownObjects | None
    open_set: dict[str, MetricValue]
    open_set_failure: str | None


@dataclass(frozen=True)
class ObjectResult:
    """One method on one detector's objects, fitted on ``n_fit`` detections; the threshold's ``n_calibration`` counts
    detections too. Seconds are without the shared passes over images.
    """

    method: str
    paper: str
    protocol: str
    seed: int
    ind: IndInfo
    image_size: list[int]
    ood: list[ObjectCell]
    threshold: ThresholdInfo | None
    network: NetworkInfo
    settings: dict[str, Any]
    n_fit: int
    fit_seconds: float
    score_seconds: float
    environment: Environment
    created: str
    command: str
    version: str
    git: str | None
    schema: int = VERSION

    def save(self, results: Path, scores: pd.DataFrame | None = None) -> Path:
        """Write ``objects/<method>-seed<seed>.json`` below a folder of results, with the protocol behind the method
        where it is not "no-ood", and the scores (a row per detection, columns set, key, score and any further) beside
        it.

        Raises:
            ValueError: scores without one of these columns.
        """
        path = results / FOLDER / f"{stem(self.method, self.protocol, self.seed)}.json"
        if scores is not None:
            save_table(_check(scores, "scores of objects"), path.with_suffix(".parquet"))
        save_record(self, path)
        return path

    @classmethod
    def load(cls, path: Path) -> ObjectResult:
        """Read and check a result.

        Raises:
            ValueError: naming the file and the first field that is missing, unknown, of another type, or at odds with
                the others.
        """
        run = read_checked(cls, path, VERSION)
        for cell in run.ood:
            outcomes = cell.unknown
            if outcomes is not None and outcomes.flagged + outcomes.taken + outcomes.missed != outcomes.n:
                raise ValueError(
                    f"{path}: {cell.name}: fates of unknown objects do not add up to {outcomes.n}"
                )
            for what, values, failure in (
                ("metrics", cell.metrics, cell.failure),
                ("open_set", cell.open_set, cell.open_set_failure),
            ):
                if bool(values) != (failure is None):
                    raise ValueError(f"{path}: {cell.name}: {what} needs either values or a reason for none")
        return run

    def scores(self, path: Path) -> pd.DataFrame | None:
        """The scores beside a result's JSON file; None where there are none.

        Raises:
            ValueError: a file that is damaged or lacks a column.
        """
        parquet = path.with_suffix(".parquet")
        if not parquet.is_file():
            return None
        try:
            frame = pd.read_parquet(parquet)
        except (ValueError, OSError) as error:  # pyarrow's errors derive from these
            raise ValueError(f"{parquet} is no parquet file: {str(error).splitlines()[0]}") from error
        return _check(frame, str(parquet))


def _check(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    if missing := [column for column in COLUMNS if column not in frame]:
        raise ValueError(f"{what}: column {missing[0]} is missing")
    return frame


def load_object_results(results: Path) -> list[ObjectResult]:
    """Every object-level result below a folder of results; none is no error.

    Raises:
        ValueError: a damaged one, naming file and field.
    """
    return [ObjectResult.load(path) for path in sorted((results / FOLDER).glob("*.json"))]


def box_pictures(results: Path) -> list[Path]:
    """Pictures of boxes below a folder of results, ``objects/boxes-<OoD set>.png``."""
    return sorted((results / FOLDER).glob("boxes-*.png"))
