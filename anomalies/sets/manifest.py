"""The manifest of a generated set: one record per image, and atomic file writes.

Records are appended to a part file while a command runs, so finished work is known after any interruption; `merge`
writes ``manifest.jsonl`` and ``manifest.parquet`` from all parts.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from anomalies.sets.records import checked
from lsood.io import write_bytes

Record = dict[str, Any]
HEADER, LINES, TABLE, PARTS = "dataset.json", "manifest.jsonl", "manifest.parquet", ".parts"
COLUMNS = (
    "id key status error origin index split target source_path source_hash channels height width clean_path "
    "out_path pixel_hash kind kinds family level kind_version severity blend seed attempt params details "
    "bboxes instances area_frac covered_frac mean_abs_diff psnr changed_outside_mask mask mask_path kind_path "
    "alpha_path instances_path soiling_path label_path file_bytes map_hashes label_delta_px asset_id asset_licence "
    "is_control is_clean_copy notes generator"
).split()
AS_TEXT = ("kinds", "params", "details", "bboxes", "file_bytes", "map_hashes", "notes")


def pixel_hash(array: NDArray[Any]) -> str:
    """sha256 over shape, type and pixels, its first 128 bits in hex: independent of the file format.

    Of maps, only the smallest box that holds all of what is not 0 is read, and where it lies.
    """
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    if array.ndim == 2:
        rows = _span(array.max(axis=1, initial=0))
        columns = _span(array[rows].max(axis=0, initial=0))
        digest.update(f" {rows} {columns}".encode())
        array = array[rows, columns]
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def _span(values: NDArray[Any]) -> slice:
    """From the first to the last that is not 0."""
    found = np.flatnonzero(values).tolist()
    return slice(found[0], found[-1] + 1) if found else slice(0, 0)


def line(record: Mapping[str, Any]) -> str:
    """A record as a line of JSON, its fields in a fixed order."""
    return json.dumps({name: record.get(name) for name in COLUMNS}, default=_plain, allow_nan=False)


def read_lines(path: Path) -> list[Record]:
    """Records of a file; a last line that was cut off is left out.

    Raises:
        ValueError: any other line that is no record, or says what cannot be; names the line.
    """
    if not path.is_file():
        return []
    content = path.read_bytes().split(b"\n")
    records = []
    for number, text in enumerate(content, 1):
        if not text:
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            if number < len(content):
                raise ValueError(f"{path}, line {number}: not a record of a manifest") from None
            continue
        records.append(checked(record, f"{path}, line {number}"))
    return records


class Parts:
    """The records of one running command, appended job by job without a buffer."""

    def __init__(self, folder: Path, name: str) -> None:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        # Process ids repeat, above all in containers: a part is never continued by another command.
        self._file = (folder / PARTS / f"{name}-{uuid.uuid4().hex}.jsonl").open("xb", buffering=0)

    def add(self, records: Iterable[Record]) -> None:
        """Append the records of a finished job."""
        left = memoryview("".join(line(record) + "\n" for record in records).encode())
        while left:  # a disk that is nearly full takes a part of it
            left = left[self._file.write(left) :]

    def close(self) -> None:
        self._file.close()


def known(folder: Path) -> dict[str, Record]:
    """{id: record} of everything that earlier commands recorded; later records replace earlier failures."""
    found = {record["id"]: record for record in read_lines(folder / LINES)}
    for part in sorted((folder / PARTS).glob("*.jsonl")):
        for record in read_lines(part):
            if record["status"] == "ok" or found.get(record["id"], record)["status"] != "ok":
                found[record["id"]] = record
    return found


def merge(folder: Path) -> list[Record]:
    """Write ``manifest.jsonl`` and ``manifest.parquet`` from all parts; returns the records, sorted by id.

    Shards may end at the same moment: whoever finds more parts after writing writes again.
    """
    while True:
        before = _state(folder)
        records = [record for _, record in sorted(known(folder).items())]
        write_bytes(folder / LINES, "".join(line(record) + "\n" for record in records).encode())
        write_bytes(folder / TABLE, _table(records))
        if _state(folder) == before:
            return records


def _state(folder: Path) -> list[tuple[str, int]]:
    return sorted((part.name, part.stat().st_size) for part in (folder / PARTS).glob("*.jsonl"))


def _table(records: list[Record]) -> bytes:
    columns = {}
    for name in COLUMNS:
        values = [record.get(name) for record in records]
        if name in AS_TEXT:
            values = [None if value is None else json.dumps(value) for value in values]
        columns[name] = pa.array(values)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} cannot be written to a manifest")
