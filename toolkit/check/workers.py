"""Looking at many files in worker processes: chunks, a progress bar, and no file that can stop the rest.

The pool lives as long as the check (a start costs half a second), and is made anew when a worker dies.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from toolkit.utils.progress import progress_bar

CHUNK = 16  # items a worker gets at once
AHEAD = 3  # chunks per worker that are handed out before their results are needed
FEW = 32  # fewer items are looked at in this process


@dataclass(frozen=True)
class Failed:
    """The function raised, or killed its process, on this item."""

    reason: str


def run_chunk(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The function's result, or a `Failed`, for every item."""
    results = []
    for item in items:
        try:
            results.append(function(item))
        except Exception as error:  # one odd file must not stop the check: it becomes a finding
            results.append(Failed(f"{type(error).__name__}: {' '.join(str(error).split())}"))
    return results


class Workers:
    """A pool of `count` processes (0: work is done in this one); a context manager."""

    def __init__(self, count: int, progress: bool = True) -> None:
        self.count = count
        self.progress = progress
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._close(kill=kind is not None)

    def each(
        self, function: Callable[[Any], Any], items: Sequence[Any], label: str, unit: str = "clip"
    ) -> Iterator[tuple[Any, Any]]:
        """Yield ``(item, result)`` in any order; `function` and `items` must be picklable."""
        with progress_bar(len(items), label, unit, self.progress) as bar:
            for item, result in self._results(function, items):
                yield item, result
                bar.update()

    def _results(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        if self.count < 1 or (self._pool is None and len(items) < FEW):
            for item in items:
                yield item, run_chunk(function, [item])[0]
            return
        suspects: list[Any] = []
        for chunk, results in self._chunks(function, [items[at : at + CHUNK] for at in range(0, len(items), CHUNK)]):
            if results is None:  # its worker died
                suspects += chunk
            else:
                yield from zip(chunk, results, strict=True)
        for item in suspects:  # alone, so that the culprit is known
            for chunk, results in self._chunks(function, [[item]]):
                yield chunk[0], Failed("the process that read it died") if results is None else results[0]

    def _chunks(
        self, function: Callable[[Any], Any], chunks: Sequence[Sequence[Any]]
    ) -> Iterator[tuple[Sequence[Any], list[Any] | None]]:
        """(chunk, results), None for a chunk that was under way when a worker died."""
        waiting, flying = deque(chunks), {}
        while waiting or flying:
            died = False
            while waiting and len(flying) < AHEAD * self.count:
                chunk = waiting.popleft()
                try:
                    flying[self._submit(function, chunk)] = chunk
                except BrokenProcessPool:
                    waiting.appendleft(chunk)
                    died = True
                    break
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                chunk = flying.pop(future)
                broken = isinstance(future.exception(), BrokenProcessPool)
                died |= broken
                yield chunk, None if broken else future.result()
            if died:  # every other chunk under way is lost with the pool
                for future, chunk in flying.items():
                    lost = not future.done() or future.cancelled() or future.exception() is not None
                    yield chunk, None if lost else future.result()
                flying = {}
                self._close(kill=True)

    def _submit(self, function: Callable[[Any], Any], chunk: Sequence[Any]) -> Future:
        if self._pool is None:
            # spawn: a fork would copy the locks of running threads
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=_prepare_worker)
        with _without_interrupt():
            return self._pool.submit(run_chunk, function, chunk)

    def _close(self, kill: bool) -> None:
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        if kill:  # Ctrl-C: nobody waits for a long video; ended first, so that the pool's own thread ends at once, too
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Ctrl-C waits; a worker that is started meanwhile never gets it, not even while it imports."""
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
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for its jobs forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
