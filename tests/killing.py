"""Work that is killed with SIGKILL and started again, until it ends; what it leaves must be what an undisturbed run
leaves.

Processes are forked from one that has imported the product, so that a start costs what the work costs.
"""

import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lsood import io

IMPORTED = (
    "anomalies.generate", "benchmarks.pipeline.job", "benchmarks.run", "datamodules.ind.fashion_mnist",
    "datamodules.ind.mnist", "datamodules.miniature", "leaderboards.build", "leaderboards.figures.box_pictures",
    "leaderboards.figures.critical_difference", "leaderboards.figures.heatmap", "leaderboards.figures.scores",
    "leaderboards.tables.markdown", "leaderboards.tables.page", "matplotlib.backends.backend_agg",
    "networks.models.lenet", "networks.training.fit", "networks.training.tasks.classification", "pandas",
    "pyarrow.dataset", "pyarrow.parquet", "pydantic.json_schema", "torchvision", "typer._adapters",
)  # fmt: skip
TIMES = ("cost", "created", "seconds")
"""Entries of JSON files that no two runs have in common."""
KILLS = 20
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(IMPORTED))


@dataclass(frozen=True)
class Command:
    """``python -m <module> <words>`` in a folder that is also its cache."""

    module: str
    words: tuple[str, ...]

    def __call__(self, folder: Path) -> None:
        os.environ["LSOOD_CACHE"] = "cache"
        os.chdir(folder)
        from benchmarks.console import spread

        importlib.import_module(self.module).app(spread(list(self.words)), standalone_mode=False)


@dataclass(frozen=True)
class Strike:
    """Kill the process at the n-th write of a file whose name contains a text: while it is half written ("cut"),
    before it has its name ("unnamed"), or when it has just got it ("named").
    """

    name: str
    number: int = 1
    moment: str = "cut"

    def arm(self) -> None:
        flush, left = io._flush, [self.number]

        def dying(part: Path) -> None:
            flush(part)
            left[0] -= self.name in part.name
            if not left[0]:
                if self.moment == "cut":
                    os.truncate(part, part.stat().st_size // 2)
                elif self.moment == "named":
                    part.replace(part.with_name(part.name[1:].rsplit(".", 2)[0]))
                os.killpg(0, signal.SIGKILL)

        io._flush = dying


def _child(work: Callable[[Path], object], folder: Path, strike: Strike | None) -> None:
    os.setsid()
    with (folder.with_name(f"{folder.name}.log")).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        if strike is not None:
            strike.arm()
        work(folder)


def start(work: Callable[[Path], object], folder: Path, strike: Strike | None = None):
    """A process that does some work in a folder."""
    process = _context.Process(target=_child, args=(work, folder, strike))
    process.start()
    return process


def killed(process) -> None:
    """Kill a process and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet
        process.kill()
    process.join()


def struck(work: Callable[[Path], object], folder: Path, *strikes: Strike) -> None:
    """Start work once for every strike, each of which must hit."""
    for strike in strikes:
        process = start(work, folder, strike)
        process.join()
        assert process.exitcode == -signal.SIGKILL, (strike, said(folder))


def finish(work: Callable[[Path], object], folder: Path) -> dict[str, object]:
    """Let work end; returns what it leaves."""
    process = start(work, folder)
    process.join()
    assert process.exitcode == 0, said(folder)
    return contents(folder)


def said(folder: Path) -> str:
    """The last of what the processes of a folder said."""
    return folder.with_name(f"{folder.name}.log").read_text()[-4000:]


def contents(folder: Path) -> dict[str, object]:
    """{file: content} of everything below a folder, without logs and times, which pages show too."""
    found: dict[str, object] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        if path.name == "training.json" or ("results" in path.parts and path.suffix == ".json"):
            found[name] = {k: v for k, v in json.loads(content).items() if k not in TIMES}
        elif path.name == "curve.csv":
            found[name] = [line.rpartition(b",")[0] for line in content.splitlines()]  # without the seconds
        elif path.suffix != ".log":
            found[name] = content
    return found


def difference(
    found: dict[str, object], expected: dict[str, object], loose: tuple[str, ...] = ()
) -> list[str]:
    """Files that differ, are missing or are too many; of ``loose`` ones only whether they are there."""
    every = sorted(found.keys() | expected.keys())
    return [
        name
        for name in every
        if not (name in found and name in expected)
        or (found[name] != expected[name] and not name.endswith(loose or ("\0",)))
    ]


@dataclass
class Tally:
    """Kills, and how often the work ended."""

    kills: int = 0
    ends: int = 0


def kill_at_random(
    work: Callable[[Path], object],
    folder: Path,
    prepared: Callable[[Path], object],
    expected: dict[str, object],
    seconds: float,
    loose: tuple[str, ...] = (),
    seed: int = 0,
) -> Tally:
    """Kill work 20 times at random moments, one in each twentieth of its duration in random order, then let it end.

    Work that ends in spite of the kills before it is compared and begins anew, so that every kill hits.

    Args:
        prepared: makes a folder as the work finds it.
        seconds: what an undisturbed run takes.
    """
    numbers, tally, fresh = random.Random(seed), Tally(), True
    moments = [(i + numbers.random()) / KILLS for i in range(KILLS)]
    numbers.shuffle(moments)
    prepared(folder)
    while moments:
        begin = time.perf_counter()
        process = start(work, folder)
        process.join(moments[-1] * seconds)
        if process.exitcode is None:
            killed(process)
            moments.pop()
            tally.kills, fresh = tally.kills + 1, False
            continue
        assert process.exitcode == 0, said(folder)
        if fresh:  # faster than the undisturbed one
            seconds = min(seconds, time.perf_counter() - begin)
        assert not difference(contents(folder), expected, loose), said(folder)
        shutil.rmtree(folder)
        prepared(folder)
        tally.ends, fresh = tally.ends + 1, True
    assert not difference(finish(work, folder), expected, loose), said(folder)
    tally.ends += 1
    return tally


def timed(work: Callable[[Path], object], folder: Path) -> float:
    """Seconds that work takes, from the start of its process."""
    ready = _context.Process()  # the first one waits for what is imported
    ready.start()
    ready.join()
    begin = time.perf_counter()
    finish(work, folder)
    return time.perf_counter() - begin
