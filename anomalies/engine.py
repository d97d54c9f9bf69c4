"""Who does the jobs: this process, processes of this machine, or a Ray cluster. All make the same pixels."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2

from anomalies.manifest import Record
from anomalies.plan import Plan
from anomalies.writer import Writer

ENGINES = ("local", "ray")
IN_FLIGHT = 4
Task = tuple[int, frozenset[str]]

_worker: list[Writer] = []


def run(plan: Plan, out: Path, tasks: Sequence[Task], workers: int, engine: str) -> Iterator[list[Record]]:
    """Do the jobs in any order, yielding the records of each as it ends.

    Args:
        plan: of the set. out: its folder.
        tasks: (index in the source, ids that are there already).
        workers: processes; 1 works in this one.
        engine: "local" or "ray".

    Raises:
        OSError: a file could not be written (no space left, no permission).
        RuntimeError: a worker died. ImportError: Ray is not installed.
    """
    workers = min(workers, max(1, len(tasks)))
    if engine == "ray":
        return _ray(plan, out, tasks, workers)
    return _here(plan, out, tasks) if workers == 1 else _processes(plan, out, tasks, workers)


def _here(plan: Plan, out: Path, tasks: Sequence[Task]) -> Iterator[list[Record]]:
    cv2.setNumThreads(1)
    writer = Writer(plan, plan.source.open(), out)
    for task in tasks:
        yield writer.job(*task)


def _processes(plan: Plan, out: Path, tasks: Sequence[Task], workers: int) -> Iterator[list[Record]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (plan, out)) as pool:
        try:
            yield from _bounded(lambda task: pool.submit(_job, task), tasks, IN_FLIGHT * workers)
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker process died, perhaps for lack of memory: run the same command again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _bounded(submit: Callable[[Task], Future[Any]], tasks: Sequence[Task], size: int) -> Iterator[Any]:
    """Results as they come, with at most ``size`` jobs handed out."""
    waiting, running = deque(tasks), set[Future[Any]]()
    while waiting or running:
        while waiting and len(running) < size:
            running.add(submit(waiting.popleft()))
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _start(plan: Plan, out: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.WARNING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker[:] = [Writer(plan, plan.source.open(), out)]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _job(task: Task) -> list[Record]:
    return _worker[0].job(*task)


def _ray(plan: Plan, out: Path, tasks: Sequence[Task], workers: int) -> Iterator[list[Record]]:
    try:
        import ray
    except ImportError:
        raise ImportError("--engine ray needs Ray: pip install 'lsood-bench[ray]'") from None
    started = not ray.is_initialized()
    if started:
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, logging_level=logging.ERROR)
    actor = ray.remote(num_cpus=1)(_RayWriter)
    pool = [actor.remote(plan, out.resolve()) for _ in range(workers)]
    try:
        waiting, running = deque(tasks), dict[Any, Any]()
        while waiting or running:
            free = [worker for worker in pool if worker not in running.values()]
            for worker in free[: len(waiting)]:
                running[worker.job.remote(waiting.popleft())] = worker
            finished, _ = ray.wait(list(running), num_returns=1)
            for reference in finished:
                del running[reference]
                yield _unwrapped(ray, reference)
    finally:
        for worker in pool:
            ray.kill(worker)
        if started:
            ray.shutdown()


def _unwrapped(ray: Any, reference: Any) -> list[Record]:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, OSError) else RuntimeError(str(error.cause))) from None
    except ray.exceptions.RayActorError:
        raise RuntimeError("a Ray worker died: run the same command again") from None


class _RayWriter:
    def __init__(self, plan: Plan, out: Path) -> None:
        cv2.setNumThreads(1)
        self._writer = Writer(plan, plan.source.open(), out)

    def job(self, task: Task) -> list[Record]:
        return self._writer.job(*task)
