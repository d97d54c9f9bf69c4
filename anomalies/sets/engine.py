"""Execution of tasks: in this process, in processes of this machine, or on a Ray cluster."""

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
from contextlib import contextmanager
from typing import Any, TypeVar

import cv2

ENGINES = ("local", "ray")
IN_FLIGHT = 4
T = TypeVar("T")
Make = Callable[[], Callable[[Any], T]]

_worker: list[Callable[[Any], Any]] = []


def run(make: Make[T], tasks: Sequence[Any], workers: int = 1, engine: str = "local") -> Iterator[T]:
    """Run tasks in any order and yield each result when it is ready.

    Args:
        make: called once in each process; gives the function that is called with the tasks. Both it and the
            tasks must be picklable.
        workers: processes; 1 works in this one.
        engine: "local" or "ray".

    Raises:
        OSError: a file could not be written (no space left, no permission).
        RuntimeError: a worker died. ImportError: Ray is not installed.
    """
    workers = min(workers, max(1, len(tasks)))
    if engine == "ray":
        return _ray(make, tasks, workers)
    return _here(make, tasks) if workers == 1 else _processes(make, tasks, workers)


def _here(make: Make[T], tasks: Sequence[Any]) -> Iterator[T]:
    cv2.setNumThreads(1)
    work = make()
    for task in tasks:
        yield work(task)


def _processes(make: Make[T], tasks: Sequence[Any], workers: int) -> Iterator[T]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (make,)) as pool:
        try:
            with _deaf():
                for _ in range(workers):
                    pool.submit(int)
            yield from _bounded(lambda task: pool.submit(_job, task), tasks, IN_FLIGHT * workers)
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker process died, perhaps for lack of memory: run the same command again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C is for this process: workers inherit that they ignore it, already while they import."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _bounded(submit: Callable[[Any], Future[Any]], tasks: Sequence[Any], size: int) -> Iterator[Any]:
    """Results as they come, with at most ``size`` tasks handed out."""
    waiting, running = deque(tasks), set[Future[Any]]()
    while waiting or running:
        while waiting and len(running) < size:
            running.add(submit(waiting.popleft()))
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _start(make: Make[Any]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # both are for the parent, which lets jobs in hand finish
        signal.signal(number, signal.SIG_IGN)
    logging.disable(logging.WARNING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _worker[:] = [make()]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _job(task: Any) -> Any:
    return _worker[0](task)


def _ray(make: Make[T], tasks: Sequence[Any], workers: int) -> Iterator[T]:
    try:
        import ray
    except ImportError:
        raise ImportError("--engine ray needs Ray: pip install 'lsood-bench[ray]'") from None
    started = not ray.is_initialized()
    if started:
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, logging_level=logging.ERROR)
    actor: Any = ray.remote(num_cpus=1)(_RayWorker)
    pool: list[Any] = [actor.remote(make) for _ in range(workers)]
    try:
        waiting, running = deque(tasks), dict[Any, Any]()
        while waiting or running:
            free = [worker for worker in pool if worker not in running.values()]
            for worker in free[: len(waiting)]:
                running[worker.work.remote(waiting.popleft())] = worker
            finished, _ = ray.wait(list(running), num_returns=1)
            for reference in finished:
                del running[reference]
                yield _unwrapped(ray, reference)
    finally:
        for worker in pool:
            ray.kill(worker)
        if started:
            ray.shutdown()


def _unwrapped(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, OSError) else RuntimeError(str(error.cause))) from None
    except ray.exceptions.RayActorError:
        raise RuntimeError("a Ray worker died: run the same command again") from None


class _RayWorker:
    def __init__(self, make: Make[Any]) -> None:
        cv2.setNumThreads(1)
        self._work = make()

    def work(self, task: Any) -> Any:
        return self._work(task)
