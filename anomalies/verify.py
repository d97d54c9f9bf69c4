"""Command that checks a generated set: ``python -m anomalies.verify DIR``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from anomalies.sets import engine
from anomalies.sets.arrays import problems_of_arrays
from anomalies.sets.console import console, progress
from anomalies.sets.manifest import TABLE, Record
from anomalies.sets.stored import StoredSet, others
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import expanded
from lsood.text import shown

LISTED = 20
DATA, RUN = "Data", "Execution"
Watch = Callable[[int, int], None]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Check:
    """Result of a check.

    Attributes:
        images: images checked, clean copies included. maps: masks and other maps checked.
        problems: one line each.
    """

    images: int
    maps: int
    problems: list[str]


def verify(
    folder: Path,
    *,
    images: Path | None = None,
    data_root: Path | None = None,
    workers: int = 1,
    watch: Watch | None = None,
) -> Check:
    """Decode every image and map of a set, draw again what has no file, and compare with the manifest.

    Args:
        folder: of the set.
        images, data_root: where the clean images lie now, see `StoredSet`.
        workers: processes.
        watch: called with (clean images done, clean images).

    Raises:
        ValueError: the folder holds no generated set.
    """
    stored = StoredSet(folder, images, data_root)
    records = sorted(stored.records, key=lambda record: (record["key"], record["id"]))
    tasks = [list(group) for _, group in groupby(records, key=lambda record: record["key"])]
    problems = _of_the_whole(stored)
    if stored.header["identity"]["layout"] == "cifar10-c":
        problems += problems_of_arrays(stored)
    work = engine.run(partial(_work, folder, images, data_root), tasks, workers)
    for done, found in enumerate(work, 1):
        problems += found
        if watch is not None:
            watch(done, len(tasks))
    return Check(len(records), sum(len(r["map_hashes"] or ()) for r in records), sorted(problems))


def _work(
    folder: Path, images: Path | None, data_root: Path | None
) -> Callable[[Sequence[Record]], list[str]]:
    stored = StoredSet(folder, images, data_root)
    return lambda records: [line for record in records for line in problems_of(stored, record)]


def problems_of(stored: StoredSet, record: Record) -> list[str]:
    """Problems of an image of a set, one line each."""
    try:
        found = stored.read_unchecked(record)
    except (ValueError, OSError) as error:
        return [" ".join(str(error).split())]
    return [f"{where}: other pixels than the manifest says" for where in others(found)]


def _of_the_whole(stored: StoredSet) -> list[str]:
    problems = []
    expected = stored.header["images"] * (1 + len(stored.header["variants"]))
    recorded = len(stored.records) + len(stored.bad)
    if recorded != expected:
        problems.append(f"{recorded} of {expected} images are recorded: generate the missing shards")
    table = stored.folder / TABLE
    rows = pq.read_metadata(table).num_rows if table.is_file() else 0
    if rows != recorded:
        problems.append(f"{table}: {rows} rows, but {recorded} records in the other files of the manifest")
    clean = {record["key"] for record in stored.records if record["is_clean_copy"]}
    same = defaultdict(list)
    for record in stored.records:
        if record["key"] not in clean:
            problems.append(f"{record['id']}: has no clean copy")
        if not record["is_control"]:
            same[record["key"], record["pixel_hash"]].append(record["id"])
    return problems + [f"{' and '.join(ids)}: equal pixels" for ids in same.values() if len(ids) > 1]


@app.command(epilog="Example: python -m anomalies.verify anomalous")
def main(
    folder: Annotated[Path, typer.Argument(help="folder of the generated set")],
    images: Annotated[
        Path | None, typer.Option(help="folder of the clean images, if it moved", rich_help_panel=DATA)
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="LSOOD_DATA", help="folder of the data sets, if it moved", rich_help_panel=DATA),
    ] = None,
    workers: Annotated[int, typer.Option(help="number of processes", rich_help_panel=RUN)] = 1,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks", rich_help_panel=RUN)] = False,
) -> None:
    """Check the hash of every image and map of a generated set, decoded or rendered again, against its manifest."""
    with reporting(BAD_USAGE, debug), progress("verifying") as watch:
        folder, images, data_root = folder.expanduser(), expanded(images), expanded(data_root)
        check = verify(folder, images=images, data_root=data_root, workers=max(1, workers), watch=watch)
    for line in check.problems[:LISTED]:
        console.print(shown(line), markup=False, soft_wrap=True)
    if len(check.problems) > LISTED:
        console.print(f"... and {len(check.problems) - LISTED} more")
    if check.problems:
        some = "1 problem" if len(check.problems) == 1 else f"{len(check.problems)} problems"
        console.print(
            f"{shown(folder)}: {some}; delete damaged files and generate again with the same options to mend them",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(FAILED)
    console.print(
        f"{shown(folder)}: {check.images} images and {check.maps} maps, all as the manifest says",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    app(prog_name="python -m anomalies.verify")
