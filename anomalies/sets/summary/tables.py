"""Tables about a generated set: statistics per kind and severity, difficulty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from anomalies.difficulty.image_statistics import statistics
from anomalies.difficulty.pixel_scores import pixel_scores
from anomalies.difficulty.table import Difficulty
from anomalies.sets import engine
from anomalies.sets.manifest import Record
from anomalies.sets.stored import StoredSet

NUMBERS = [
    "kind", "family", "severity", "images", "area", "covered", "mean_abs_diff", "psnr", "objects", "labels_changed",
    "retried", "outside",
]  # fmt: skip
DIFFICULTY = ["kind", "severity", "image_auroc", "image_detector", "pixel_auroc", "pixel_detector", "level"]
Watch = Callable[[int, int], None]
Pair = tuple[Record, Record]


def numbers(records: Sequence[Record]) -> pd.DataFrame:
    """A row per kind and severity.

    Columns: images; means of area (share of pixels marked 1), covered (alpha >= 0.05), mean_abs_diff (grey
    levels) and psnr (dB); objects and labels_changed (pixels), summed; retried: images whose first drawing was
    thrown away; outside: largest share of pixels changed without being marked.
    """
    table = pd.DataFrame([record for record in records if record["kind"] is not None])
    if table.empty:
        return pd.DataFrame(columns=NUMBERS)
    grouped = table.groupby(["kind", "severity"], sort=True)
    return grouped.agg(
        family=("family", "first"),
        images=("id", "size"),
        area=("area_frac", "mean"),
        covered=("covered_frac", "mean"),
        mean_abs_diff=("mean_abs_diff", "mean"),
        psnr=("psnr", "mean"),
        objects=("instances", "sum"),
        labels_changed=("label_delta_px", "sum"),
        retried=("attempt", lambda attempts: int((attempts > 0).sum())),
        outside=("changed_outside_mask", "max"),
    ).reset_index()[NUMBERS]


def difficulty(
    folder: Path, per_cell: int, workers: int = 1, how: str = "local", watch: Watch | None = None
) -> pd.DataFrame:
    """Performance of the image-statistics detectors on a set, see `anomalies.difficulty.table.Difficulty.table`.

    Args:
        folder: of the set.
        per_cell: at most so many images per kind and severity, evenly spaced.
        workers: processes. how: "local" or "ray".
        watch: called with (images done, images).

    Returns:
        As `Difficulty.table`, with a row of severity 0 for all severities of a kind together.
    """
    stored = StoredSet(folder)
    clean = {record["key"]: record for record in stored.records if record["is_clean_copy"]}
    cells = defaultdict(list)
    for record in stored.records:
        if record["kind"] is not None and record["key"] in clean:
            cells[record["kind"], record["severity"]].append(record)
    chosen = [record for cell in cells.values() for record in _spaced(cell, per_cell)]
    pairs = [(clean[record["key"]], record) for record in sorted(chosen, key=lambda r: (r["key"], r["id"]))]
    total = Difficulty()
    for done, part in enumerate(engine.run(partial(_work, folder.resolve()), pairs, workers, how), 1):
        total.merge(part)
        if watch is not None:
            watch(done, len(pairs))
    return pd.concat([_pooled(total).table(), total.table()]).sort_values(["kind", "severity"])


def _pooled(measured: Difficulty) -> Difficulty:
    """All severities of a kind as severity 0."""
    pooled = Difficulty()
    for (kind, severity), pairs in measured.images.items():
        cell = (kind, severity)
        counts, masks = measured.pixels.get(cell), measured.masks.get(cell)
        part = Difficulty({(kind, 0): pairs})
        if counts is not None and masks is not None:
            part = Difficulty({(kind, 0): pairs}, {(kind, 0): counts}, {(kind, 0): masks})
        pooled.merge(part)
    return pooled


def _work(folder: Path) -> Callable[[Pair], Difficulty]:
    stored = StoredSet(folder)

    def measure(pair: Pair) -> Difficulty:
        clean, found = (stored.read(record) for record in pair)
        kind, severity = found.record["kind"], found.record["severity"]
        result = Difficulty()
        result.add(kind, severity, statistics(clean.image), statistics(found.image))
        if "mask" in found.maps:
            result.add_pixels(kind, severity, pixel_scores(found.image), found.maps["mask"])
        return result

    return measure


def _spaced(records: list[Record], count: int) -> list[Record]:
    if len(records) <= count:
        return records
    return [records[i * len(records) // count] for i in range(count)]
