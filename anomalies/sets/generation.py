"""Generation of a set: skip what exists, run the remaining jobs, write the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anomalies.sets import engine, manifest
from anomalies.sets.claim import claim
from anomalies.sets.damage import whole
from anomalies.sets.manifest import PARTS, Parts, Record
from anomalies.sets.plan import CLEAN, Plan
from anomalies.sets.writer import work_of
from lsood.io import TEMPORARY

SETTLED = ("ok", "skipped")


@dataclass(frozen=True)
class Outcome:
    """Result of a generation run.

    Attributes:
        made: images written (or recorded) now, clean copies included.
        there: images that were there already.
        bad: records of this shard's images that failed or were skipped, now or earlier.
        complete: every image of the whole set is recorded.
        records: of the whole set so far, sorted by id.
    """

    made: int
    there: int
    bad: list[Record]
    complete: bool
    records: list[Record]


Watch = Callable[[int, int], None]


def generate(
    plan: Plan,
    out: Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (1, 1),
    how: str = "local",
    watch: Watch | None = None,
) -> Outcome:
    """Generate a set, or the missing part of it.

    Args:
        plan: what the set is to hold.
        out: its folder; new, empty, or holding an unfinished run of the same plan.
        workers: processes.
        shard: (i, n): of every n source images the i-th, from 1.
        how: "local" or "ray".
        watch: called with (images done, images of this shard) as they come.

    Raises:
        ValueError: the folder holds something else, the source has no images, or two of them would share a file.
        OSError: no space left or no permission; what was finished is whole and recorded.
    """
    source = plan.source.open()
    claim(plan, source, out)
    there = manifest.known(out)
    settled = {name for name, record in there.items() if record["status"] in SETTLED and whole(out, record)}
    names = (CLEAN, *(variant.name for variant in plan.variants()))
    mine = range(shard[0] - 1, len(source.keys), shard[1])
    tasks = []
    for index in mine:
        ids = frozenset(f"{name}/{source.keys[index]}" for name in names)
        if ids - settled:
            tasks.append((index, ids & settled))
    total, made = len(mine), 0
    parts = Parts(out, f"{shard[0]}of{shard[1]}")
    try:
        if watch is not None:
            watch(total - len(tasks), total)
        for count, records in enumerate(engine.run(partial(work_of, plan, out), tasks, workers, how), 1):
            parts.add(records)
            made += sum(record["status"] == "ok" for record in records)
            if watch is not None:
                watch(total - len(tasks) + count, total)
    except BaseException:
        parts.close()
        # What stopped the command (a full disk) may stop this too; the parts know everything.
        with suppress(OSError):
            manifest.merge(out)
        raise
    parts.close()
    everything = manifest.merge(out)
    complete = len(everything) == len(source.keys) * len(names)
    if complete and shard[1] == 1:
        shutil.rmtree(out / PARTS, ignore_errors=True)
        for left in out.rglob(TEMPORARY):
            left.unlink(missing_ok=True)
    own = {source.keys[index] for index in mine}
    bad = [record for record in everything if record["status"] != "ok" and record["key"] in own]
    already = len(own) * len(names) - made - len(bad)
    return Outcome(made, already, bad, complete, everything)
