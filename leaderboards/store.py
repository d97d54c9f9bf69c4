"""Results on disk: a JSON file per result, its scores in a parquet file beside it.

Image-level results lie in the folder itself, the others in its sub-folders ``pixels`` and ``objects``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from leaderboards.records import build_record, read_json, save_record
from leaderboards.schema import IMAGE, LEVELS, OBJECT, PIXEL, SCHEMA, Result
from leaderboards.schema_1 import upgraded
from lsood.io import slug, write_atomic

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = {IMAGE: "", PIXEL: "pixels", OBJECT: "objects"}
COLUMNS = ("set", "key", "score")


def result_path(result: Result, folder: Path) -> Path:
    """``<level's folder>/<method>-seed<seed>.json``, with the protocol behind the method where it is not "no-ood"."""
    name = result.method if result.protocol == "no-ood" else f"{result.method}-{result.protocol}"
    return folder / FOLDERS[result.level] / f"{slug(name)}-seed{result.seed}.json"


def save_result(result: Result, folder: Path, scores: pd.DataFrame | None = None) -> Path:
    """Write a result below a folder of results, and its scores (a row per scored row, columns set, key, score and any
    further ones) beside it; returns the JSON file.

    Raises:
        ValueError: scores without one of these columns.
    """
    path = result_path(result, folder)
    if scores is not None:
        checked(scores, f"scores of {result.method}")
        write_atomic(path.with_suffix(".parquet"), lambda part: scores.to_parquet(part, index=False))
    return save_record(result, path)


def load_result(path: Path) -> Result:
    """Read and check a result of schema 1 or 2.

    Raises:
        ValueError: naming the file and the first field that is missing, unknown, of another type, or at odds with the
            others.
    """
    content = read_json(path)
    if isinstance(content, dict) and content.get("schema") == 1:
        content = upgraded(content)
    elif isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise ValueError(f"{path}: schema {content.get('schema')!r}, this version reads 1 and {SCHEMA}")
    result = build_record(Result, content, str(path))
    assert isinstance(result, Result)
    _check(result, path)
    return result


def _check(result: Result, path: Path) -> None:
    if result.level not in LEVELS:
        raise ValueError(f"{path}: level must be one of {', '.join(LEVELS)}, got {result.level!r}")
    for cell in result.ood:
        where, counts = f"{path}: {cell.name}", cell.counts
        if (
            "unknown" in counts
            and sum(counts[n] for n in ("flagged", "taken", "missed")) != counts["unknown"]
        ):
            raise ValueError(f"{where}: outcomes of unknown objects do not add up to {counts['unknown']}")
        for name, values, failure in (
            ("metrics", cell.metrics, cell.failure),
            *((name, block.metrics, block.failure) for name, block in cell.blocks.items()),
        ):
            if bool(values) != (failure is None):
                raise ValueError(f"{where}: {name} needs either values or a reason for none")


def result_files(folder: Path) -> list[Path]:
    """The result files of all levels below a folder, image level first, sorted by name.

    Raises:
        FileNotFoundError: no such folder, or none in it.
    """
    paths = [path for sub in FOLDERS.values() for path in sorted((folder / sub).glob("*.json"))]
    if not paths:
        raise FileNotFoundError(f"no results (*.json) in {folder}")
    return paths


def load_results(folder: Path) -> dict[Path, Result]:
    """Every result below a folder by its file, in the order of :func:`result_files`; raises as it does."""
    return {path: load_result(path) for path in result_files(folder)}


def load_scores(path: Path) -> pd.DataFrame | None:
    """The scores beside a result's JSON file; None where there are none.

    Raises:
        ValueError: a file that is damaged or lacks a column.
    """
    import pandas as pd

    parquet = path.with_suffix(".parquet")
    if not parquet.is_file():
        return None
    try:
        frame = pd.read_parquet(parquet)
    except (ValueError, OSError) as error:  # pyarrow's errors derive from these
        raise ValueError(f"{parquet} is not a parquet file: {str(error).splitlines()[0]}") from error
    return checked(frame, str(parquet))


def box_picture_path(folder: Path, ood: str) -> Path:
    """Where the picture of detected boxes on an OoD set lies below a folder of results."""
    return folder / FOLDERS[OBJECT] / f"boxes-{slug(ood)}.png"


def checked(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Scores with the columns every level has.

    Raises:
        ValueError: one of them is missing.
    """
    if missing := [column for column in COLUMNS if column not in frame]:
        raise ValueError(f"{what}: column {missing[0]} is missing")
    return frame
