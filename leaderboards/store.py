"""Results on disk: a JSON file per result, its scores in a parquet file beside it.

Image-level results lie in the folder itself, the others in its sub-folders ``pixels`` and ``objects``. A whole
folder is read by :func:`read_folder`, which leaves out what is no result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboards.boards import boards
from leaderboards.earlier import completed
from leaderboards.file_names import digest, file_name, hashed
from leaderboards.records import build_record, read_json, record_text
from leaderboards.run_identity import identity, run_id, together
from leaderboards.schema import IMAGE, LEVELS, OBJECT, PIXEL, SCHEMA, Result
from leaderboards.schema_1 import upgraded
from lsood.io import log, write_atomic
from lsood.text import one_line, short_names, slug

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = {IMAGE: "", PIXEL: "pixels", OBJECT: "objects"}
COLUMNS = ("set", "key", "score")
OUTCOMES = ("flagged", "taken", "missed")
SETTINGS = {"calibrate_share": int | float | None, "calibrate_on": str | None, "tuned": dict | None}
"""{setting that tables use: what it must be}."""
MOST_ROWS = 20_000_000
"""Rows of the largest table of scores that is read; a few MB can hold billions of equal ones."""


def result_path(result: Result, folder: Path) -> Path:
    """``<level's folder>/<method>-seed<seed>.json``, with the protocol behind the method where it is not "no-ood"; with
    8 hex digits before the seed where that file holds another method, protocol or run.
    """
    name = result.method if result.protocol == "no-ood" else f"{result.method}-{result.protocol}"
    there, short = folder / FOLDERS[result.level], file_name(name)
    own = digest("/".join((result.method, result.protocol, run_id(result))))
    plain, apart = (there / f"{text}-seed{result.seed}.json" for text in (short, f"{short}-{own}"))
    return apart if apart.is_file() or _is_of_another(plain, result) else plain


def _is_of_another(path: Path, result: Result) -> bool:
    """Whether a file holds a result that this one must not replace; a damaged one is replaced."""
    with contextlib.suppress(ValueError, OSError):
        other = load_result(path)
        same = (other.method, other.protocol, other.seed) == (result.method, result.protocol, result.seed)
        return not (same and together(identity(other), identity(result)))
    return False


def save_result(result: Result, folder: Path, scores: pd.DataFrame | None = None) -> Path:
    """Write a result below a folder of results, and its scores (a row per scored row, columns set, key, score and any
    further ones) beside it; returns the JSON file. A result of the same run and method is replaced, with its scores: an
    interruption leaves both of before, both new ones, or no JSON file.

    Raises:
        ValueError: scores without one of these columns.
    """
    path = result_path(result, folder)
    parquet = path.with_suffix(".parquet")
    if scores is not None:
        checked(scores, f"scores of {result.method}")

    def write_scores(part: Path) -> None:
        assert scores is not None
        scores.to_parquet(part, index=False)
        path.unlink(missing_ok=True)

    def write_both(part: Path) -> None:
        part.write_text(record_text(result), encoding="utf-8")
        if scores is None:
            parquet.unlink(missing_ok=True)
        else:
            write_atomic(parquet, write_scores)

    return write_atomic(path, write_both)


def load_result(path: Path) -> Result:
    """Read and check a result of schema 1 or 2.

    Raises:
        ValueError: naming the file and the first field that is missing, unknown, of another type, or at odds with the
            others.
    """
    content = read_json(path)
    if isinstance(content, dict) and content.get("schema") == 1:
        try:
            content = upgraded(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{path}: not a whole result of schema 1 ({type(error).__name__}: {error})"
            ) from error
    elif isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise ValueError(f"{path}: schema {content.get('schema')!r:.40}, this version reads 1 and {SCHEMA}")
    result = build_record(Result, completed(content), str(path))
    assert isinstance(result, Result)
    _check(result, path)
    return result


def _check(result: Result, path: Path) -> None:
    if result.level not in LEVELS:
        raise ValueError(f"{path}: level must be one of {', '.join(LEVELS)}, got {result.level!r}")
    confidence = result.settings.get("confidence")
    if result.level == OBJECT and (isinstance(confidence, bool) or not isinstance(confidence, int | float)):
        raise ValueError(f"{path}: settings.confidence must be a number, got {confidence!r:.40}")
    for name, kind in SETTINGS.items():
        if not isinstance(value := result.settings.get(name), kind):
            raise ValueError(f"{path}: settings.{name} cannot be {value!r:.40}")
    if result.threshold is not None and not 0 <= result.threshold.false_alarm_rate <= 1:
        raise ValueError(f"{path}: threshold: false_alarm_rate must lie in 0 to 1")
    if len({cell.name for cell in result.ood}) < len(result.ood):
        raise ValueError(f"{path}: an OoD set stands in it twice")
    for cell in result.ood:
        where, counts = f"{path}: {cell.name}", cell.counts
        if min(cell.n_in, cell.n_out, cell.n_images or 0) < 0:
            raise ValueError(f"{where}: a number of rows or images is negative")
        if "unknown" in counts and sum(counts.get(name, 0) for name in OUTCOMES) != counts["unknown"]:
            raise ValueError(f"{where}: outcomes of unknown objects do not add up to {counts['unknown']}")
        for name, values, failure in (
            ("metrics", cell.metrics, cell.failure),
            *((name, block.metrics, block.failure) for name, block in cell.blocks.items()),
        ):
            if bool(values) != (failure is None):
                raise ValueError(f"{where}: {name} needs either values or a reason for none")


def load_scores(path: Path) -> pd.DataFrame | None:
    """The scores beside a result's JSON file; None where there are none.

    Raises:
        ValueError: a file that is damaged, lacks a column or has more than `MOST_ROWS` rows.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    parquet = path.with_suffix(".parquet")
    if not parquet.is_file():
        return None
    try:
        rows = pq.read_metadata(parquet).num_rows
        if rows > MOST_ROWS:
            raise ValueError(f"it has {rows} rows, at most {MOST_ROWS} are read")
        frame = pd.read_parquet(parquet)
    except Exception as error:  # whatever pyarrow stumbles over
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{parquet} is not a parquet file: {first}") from error
    return checked(frame, str(parquet))


def box_picture_path(folder: Path, ood: str) -> Path:
    """Where the picture of detected boxes on an OoD set lies below a folder of results: ``boxes-<ood>.png``, with a
    digest of the name where it cannot stand in a file name as it is.
    """
    return folder / FOLDERS[OBJECT] / f"boxes-{ood if file_name(ood) == ood else hashed(ood)}.png"


def old_box_picture_path(folder: Path, ood: str) -> Path:
    """Where version 0.1 wrote that picture: one file for names that differ in punctuation only."""
    return folder / FOLDERS[OBJECT] / f"boxes-{slug(ood)}.png"


def checked(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Scores with the columns every level has.

    Raises:
        ValueError: one of them is missing, or a score is not a number.
    """
    if missing := [column for column in COLUMNS if column not in frame]:
        raise ValueError(f"{what}: column {missing[0]} is missing")
    if frame["score"].dtype.kind not in "fiu":
        raise ValueError(f"{what}: column score must hold numbers, got {frame['score'].dtype}")
    return frame


ScoreReader = Callable[[Path], "pd.DataFrame | None"]


@dataclass
class ResultFolder:
    """Results by their files, image level first, sorted by name, and one line for each file that was left out."""

    results: dict[Path, Result]
    left_out: list[str] = field(default_factory=list)
    _scores: dict[Path, pd.DataFrame | None] = field(default_factory=dict, repr=False)

    def scores(self, path: Path) -> pd.DataFrame | None:
        """The scores beside a result; None where there are none or they are damaged, which is then told."""
        if path not in self._scores:
            try:
                self._scores[path] = load_scores(path)
            except ValueError as error:
                self._scores[path] = None
                self._leave_out(f"scores left out: {one_line(error)}")
        return self._scores[path]

    def _leave_out(self, line: str) -> None:
        self.left_out.append(line)
        _warn(line)


def read_folder(folder: Path) -> ResultFolder:
    """Every result below a folder; a method that is named by the path of its file has the end of it alone, see
    `lsood.text.short_names`. Damaged and foreign files are left out with a warning; so is the older one of two results
    of the same run, method, protocol, seed and OoD set, such as a copy.

    Raises:
        FileNotFoundError: no such folder, or no ``*.json`` in it. ValueError: none of them is a result.
    """
    paths = [path for sub in FOLDERS.values() for path in sorted((folder / sub).glob("*.json"))]
    if not paths:
        raise FileNotFoundError(f"no results (*.json) in {folder}")
    read: dict[Path, Result] = {}
    refused: list[str] = []
    for path in paths:
        try:
            read[path] = load_result(path)
        except (ValueError, OSError, RecursionError) as error:
            refused.append(one_line(error))
    if not read:
        raise ValueError(f"no result left in {folder}, {len(refused)} not readable; first: {refused[0]}")
    found = ResultFolder(read)
    for line in refused:
        found._leave_out(f"file left out: {line}")
    for path, other in _repeated(read).items():
        del read[path]
        found._leave_out(f"file left out: {path}: {other.name} has the same method, seed and run")
    read.update(zip(read, shortened(read.values()), strict=True))
    return found


def shortened(results: Iterable[Result]) -> list[Result]:
    """The results with the end of its path alone where a method is named by its file, see `lsood.text.short_names`."""
    results = list(results)
    short = short_names(run.method for run in results)
    return [replace(run, method=short[run.method]) for run in results]


def load_results(folder: Path) -> dict[Path, Result]:
    """The results of :func:`read_folder` by their files; raises as it does."""
    return read_folder(folder).results


def _repeated(read: dict[Path, Result]) -> dict[Path, Path]:
    """{file to leave out: the newer one}."""
    owner = {id(run): board.id for board in boards(read.values()) for run in board.results}
    kept: dict[tuple[object, ...], Path] = {}
    found = {}
    for path, run in sorted(
        read.items(), key=lambda item: (item[1].created, -len(item[0].name)), reverse=True
    ):
        keys = [
            (owner[id(run)], run.level, run.method, run.protocol, run.seed, cell.name, cell.fingerprint)
            for cell in run.ood
        ]
        if taken := [kept[key] for key in keys if key in kept]:
            found[path] = taken[0]
        else:
            kept |= dict.fromkeys(keys, path)
    return found


@cache
def _warn(line: str) -> None:
    """Log a warning once, although a run reads its folder several times."""
    log.warning("%s", line)
