"""The layout of CIFAR-10-C: an array per kind with its five severities stacked, and the classes."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.sets import engine
from anomalies.sets.damage import whole_array
from anomalies.sets.manifest import Record, pixel_hash
from anomalies.sets.stored import StoredSet
from lsood.io import write_bytes

LABELS, CLEAN = "labels", "clean"
Watch = Callable[[int, int], None]
Task = tuple[str, list[Record]]


def write_arrays(
    out: Path, workers: int = 1, how: str = "local", watch: Watch | None = None
) -> dict[str, str]:
    """Write ``<kind>.npy``, (5 N, H, W, C) uint8, severity by severity in the order of the source,
    ``clean.npy``, (N, H, W, C), and, where the source has classes, ``labels.npy``, (5 N,) int64.

    Args:
        out: folder of a complete set of layout "cifar10-c".
        workers: processes, which work on an array each. how: "local" or "ray".
        watch: called with (arrays done, arrays).

    Returns:
        {name: why} of arrays that cannot be written, because an image is missing or has another size.
    """
    stored = StoredSet(out)
    arrays = _arrays(stored)
    missing = {_array_of(record): str(record["error"]) for record in stored.bad}
    tasks = []
    for name, records in arrays.items():
        shapes = {(record["height"], record["width"], record["channels"]) for record in records}
        if len(shapes) > 1:
            missing[name] = f"images of {len(shapes)} different sizes cannot be stacked"
        if name not in missing:
            tasks.append((name, records))
    for done, _ in enumerate(engine.run(partial(_work, out.resolve()), tasks, workers, how), 1):
        if watch is not None:
            watch(done, len(tasks))
    targets = [record["target"] for record in arrays.get(CLEAN, [])]
    if targets and CLEAN not in missing and None not in targets:
        write_bytes(out / f"{LABELS}.npy", _npy(np.tile(np.array(targets, dtype=np.int64), 5)))
    return missing


def arrays_are_whole(out: Path) -> bool:
    """Whether every array that can be written is there and has the size of its images."""
    stored = StoredSet(out)
    missing = {_array_of(record) for record in stored.bad}
    for name, records in _arrays(stored).items():
        shapes = {(record["height"], record["width"], record["channels"]) for record in records}
        writable = name not in missing and len(shapes) == 1
        if writable and not whole_array(out / f"{name}.npy", len(records), min(shapes)):
            return False
    return True


def problems_of_arrays(stored: StoredSet) -> list[str]:
    """What of the arrays is not as the manifest says, one line each."""
    problems = []
    for name, records in _arrays(stored).items():
        path = stored.folder / f"{name}.npy"
        try:
            pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            problems.append(f"{path} is missing or damaged")
            continue
        hashes = [record["pixel_hash"] for record in records]
        if len(pixels) != len(records) or [pixel_hash(image) for image in pixels] != hashes:
            problems.append(f"{path}: other pixels than the manifest says")
    return problems


def _arrays(stored: StoredSet) -> dict[str, list[Record]]:
    arrays = defaultdict[str, list[Record]](list)
    for record in sorted(stored.records, key=lambda r: (r["severity"] or 0, r["index"])):
        arrays[_array_of(record)].append(record)
    return arrays


def _array_of(record: Record) -> str:
    return str(record["id"]).split("/", 1)[0]


def _work(out: Path) -> Callable[[Task], None]:
    stored = StoredSet(out)

    def stack(task: Task) -> None:
        name, records = task
        shape = (len(records), *(records[0][side] for side in ("height", "width", "channels")))
        pixels = np.empty(shape, dtype=np.uint8)
        for i, record in enumerate(records):
            pixels[i] = stored.draw(record)[0]
        write_bytes(out / f"{name}.npy", _npy(pixels))

    return stack


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
