"""One function over many items in worker processes, such that neither a crash nor Ctrl-C spoils the rest."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from feature_extraction.contract import SampleError

Entry = tuple[int, Any]  # position in `items`, item
QUEUED_PER_WORKER = 2  # jobs handed out ahead: results that wait to be taken are bounded too


def run_each(function: Callable[[Any], Any], items: Sequence[Any], num_workers: int) -> Generator[tuple[int, Any]]:
    """Call picklable `function` on every item in `num_workers` processes.

    Yields ``(position, result)`` as they come, the exception in place of the result where the call raised. A worker
    that dies (killed, out of memory, a crash in native code) takes nothing with it: what was under way is tried again,
    one at a time, and only an item that kills its worker again gets a `SampleError`.
    Close the generator (`contextlib.closing`) to stop early: the workers are ended at once.
    """
    waiting: deque[Entry] = deque(enumerate(items))
    suspects: deque[Entry] = deque()
    while waiting or suspects:
        if suspects:
            died = yield from _run_pool(function, deque([suspects.popleft()]), 1)
            for position, _ in died:
                yield position, SampleError("the worker process died on it (out of memory, or a crash while decoding)")
        else:
            suspects.extend((yield from _run_pool(function, waiting, min(num_workers, len(waiting)))))


def _run_pool(
    function: Callable[[Any], Any], queue: deque[Entry], num_workers: int
) -> Generator[tuple[int, Any], None, list[Entry]]:
    """Work `queue` off in one pool; returns what was under way when a worker died ([] when all went well)."""
    flying: dict[Future, Entry] = {}
    lost: list[Entry] = []
    with _pool(num_workers) as pool:
        while flying or (queue and not lost):
            while queue and not lost and len(flying) < QUEUED_PER_WORKER * num_workers:
                entry = queue.popleft()
                try:
                    with _without_interrupt():
                        flying[pool.submit(function, entry[1])] = entry
                except BrokenProcessPool:
                    lost.append(entry)
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                entry = flying.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(entry)
                else:
                    yield entry[0], future.result() if error is None else error
    return sorted(lost, key=lambda entry: entry[0])


@contextlib.contextmanager
def _pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    others = set(multiprocessing.active_children())
    # spawn: a fork of this process would copy its running threads' locks
    pool = ProcessPoolExecutor(num_workers, multiprocessing.get_context("spawn"), initializer=_prepare_worker)
    try:
        yield pool
    except BaseException:  # Ctrl-C, or the generator is closed
        pool.shutdown(wait=False, cancel_futures=True)
        workers = set(multiprocessing.active_children()) - others
        for process in workers:
            process.terminate()
        for process in workers:
            process.join(timeout=10)
        raise
    finally:
        pool.shutdown()


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Ctrl-C waits; a worker started meanwhile never gets it, not even while it is starting."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for its jobs forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
