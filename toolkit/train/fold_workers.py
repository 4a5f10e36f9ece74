"""The plain loop on several folds at a time: worker processes with one thread each.

A small recurrent network keeps one core busy and gains nothing from a second; two of them do. A fold's randomness is a
function of (seed, fold) and every process computes with one thread, so results do not depend on the number of workers.
Workers are forks: they share the resident features with this process and cost no memory for them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

Task = tuple[Any, ...]  # the arguments of one call
EpochReport = Callable[[float], None]  # hears the selection score after every epoch


@dataclass
class _Worker:
    process: multiprocessing.Process
    connection: Connection
    task: int | None = field(default=None)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[Task], jobs: int, report: EpochReport
) -> Iterator[tuple[int, Any, float]]:
    """Call ``function(*task, report)`` for every task, `jobs` at a time.

    Yields ``(number of the task, result, seconds)`` as they finish; a `FloatingPointError` is a result. A task whose
    worker died or raised anything else is run again here, so that its error appears as if there were no workers.
    """
    waiting = list(reversed(range(len(tasks))))
    if jobs > 1 and len(tasks) > 1 and hasattr(os, "fork"):
        waiting = yield from _run_in_workers(function, tasks, waiting, min(jobs, len(tasks)), report)
    while waiting:
        number = waiting.pop()
        yield (number, *_timed(function, tasks[number], report))


def _timed(function: Callable[..., Any], task: Task, report: EpochReport) -> tuple[Any, float]:
    started = time.perf_counter()
    try:
        result = function(*task, report)
    except FloatingPointError as error:  # the loss is not finite: this trial's failure, the search goes on
        result = error
    return result, time.perf_counter() - started


def _run_in_workers(function, tasks: Sequence[Task], waiting: list[int], jobs: int, report: EpochReport):
    """Work off `waiting` (last first); returns the tasks that have to be run without workers."""
    workers = [_start_worker(function, tasks) for _ in range(jobs)]
    left: list[int] = []
    try:
        for worker in workers:
            _hand_out(worker, waiting)
        while busy := [worker for worker in workers if worker.task is not None]:
            for connection in wait([worker.connection for worker in busy]):
                worker = next(worker for worker in busy if worker.connection is connection)
                try:
                    kind, content = pickle.loads(worker.connection.recv_bytes())  # from our own fork
                except (EOFError, OSError):
                    kind, content = "failed", None  # it died
                if kind == "epoch":
                    report(content)
                    continue
                number, worker.task = worker.task, None
                if kind == "failed":
                    left.append(number)
                else:
                    yield (number, *content)
                if worker.process.is_alive():
                    _hand_out(worker, waiting)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.connection.close()
    return sorted(left + waiting, reverse=True)


def _hand_out(worker: _Worker, waiting: list[int]) -> None:
    if waiting:
        number = waiting.pop()
        with contextlib.suppress(OSError):  # it died just now: the end of its pipe will say so
            worker.connection.send(number)
        worker.task = number


def _start_worker(function: Callable[..., Any], tasks: Sequence[Task]) -> _Worker:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, here, function, tasks, os.getpid()), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _work(connection: Connection, other_end: Connection, function, tasks: Sequence[Task], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    other_end.close()
    torch.set_num_threads(1)

    def send(kind: str, content: Any) -> None:
        if os.getppid() != parent:  # killed: nobody wants the result
            os._exit(1)
        connection.send_bytes(pickle.dumps((kind, content)))  # bytes, as torch would pass tensors through /dev/shm

    while True:
        try:
            number = connection.recv()
        except (EOFError, OSError):
            return
        try:
            send("done", _timed(function, tasks[number], lambda score: send("epoch", score)))
        except Exception:  # whatever it is, it comes again in the parent, where it can be shown
            send("failed", None)
