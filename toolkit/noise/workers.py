"""Clips made by worker processes, a clip at a time each.

Processes, because threads of one process would wait for each other between the many short calls of a codec (measured in
docs/noise.md), and because a codec that crashes on a clip then takes only that clip with it. They are programs of their
own, not forks, which would copy locks that other threads hold; a request and its answer go through their pipes.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import wait
from pathlib import Path

import toolkit
from toolkit.noise.clip_job import ClipMaker
from toolkit.noise.manifest import ClipRecord
from toolkit.preprocess.batch import Job
from toolkit.preprocess.media import MediaError, Stopped
from toolkit.utils import atomic

_STOP_POLL = 0.2  # seconds between two looks at the stop event
_CHILD = "from toolkit.noise.worker_process import main; main()"


class Workers:
    """`count` processes that do what `maker` does; they start with their first clip and end with the context.

    A call may come from any thread; at most `count` at a time.
    """

    def __init__(self, maker: ClipMaker, count: int) -> None:
        self._maker = maker
        self._free: queue.SimpleQueue[subprocess.Popen | None] = queue.SimpleQueue()
        self._all: list[subprocess.Popen] = []
        for _ in range(count):
            self._free.put(None)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.kill()  # it is idle, or nobody wants its clip any more
        for worker in self._all:
            with contextlib.suppress(BrokenPipeError), worker:
                pass  # waits for its end, and closes the pipes

    def __call__(self, job: Job, row: ClipRecord | None, stop: threading.Event) -> ClipRecord:
        """`ClipMaker.__call__` in a worker.

        Raises:
            MediaError: the worker died on the clip.
            Exception: what the maker raised.
        """
        worker = self._free.get()
        try:
            if worker is None:
                worker = self._start()
            answer = _ask(worker, (job, row), stop)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise MediaError(f"{job.source}: the process at work on it died ({_cause(worker)})") from error
        except BaseException:
            if worker is not None:
                worker.kill()
                worker.wait()
            raise
        finally:
            if worker is not None and worker.poll() is not None:
                atomic.remove_orphans(job.target.parent)
                worker = None
            self._free.put(worker)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _start(self) -> subprocess.Popen:
        found = [str(Path(toolkit.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        worker = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found)), "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,  # Ctrl-C is for this process alone
        )
        self._all.append(worker)
        pickle.dump(self._maker, worker.stdin)
        return worker


def _ask(worker: subprocess.Popen, request: object, stop: threading.Event) -> object:
    pickle.dump(request, worker.stdin)
    worker.stdin.flush()
    while not wait([worker.stdout], _STOP_POLL):
        if stop.is_set():
            raise Stopped("stopped")
    return pickle.load(worker.stdout)  # from our own process


def _cause(worker: subprocess.Popen) -> str:
    """Why a process ended, e.g. "SIGSEGV"."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(10)
    worker.kill()  # it should be dead by now; if it only talks nonsense, it is no use either
    status = worker.wait()
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name + (": out of memory?" if status == -signal.SIGKILL else "")
    return f"exit status {status}"
