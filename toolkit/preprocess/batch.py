"""One loop for work on many files (mostly child processes, so threads): resume, failures, progress, prompt Ctrl-C."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.failures import COLUMNS, FAILURES_FILE
from toolkit.utils.progress import progress_bar
from toolkit.utils.read_files import write_csv

MAX_LISTED = 20  # failures printed in full


@dataclass(frozen=True)
class Job:
    """One file to make: the clip's `name`, what is read and what is written."""

    name: str
    source: Path
    target: Path


# Makes `job.target`; returns a warning or "". Long work looks at the event now and then and gives up when it is set.
Work = Callable[[Job, threading.Event], str]


@dataclass
class BatchReport:
    """What a run did: counts, `failures` and `warnings` as (name, text) in name order, wall time in seconds."""

    done: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_status(self) -> int:
        """0, or 1 when any clip failed."""
        return 1 if self.failures else 0

    def fail(self, name: str, error: Exception) -> None:
        """Note the failure of one clip; an error of a kind nobody expected keeps its type's name."""
        text, kind = " ".join(str(error).split()), type(error).__name__
        self.failures.append((printable(name), printable(text if kind == "MediaError" and text else f"{kind}: {text}")))


def default_workers() -> int:
    """One thread per core this process may use, at most 8 (more only fight over the disk)."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def printable(text: str) -> str:
    """`text` with bytes that are not UTF-8 (file names from old archives) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_made(job: Job) -> bool:
    """The usual rule of being finished: the target exists and is not empty (files appear whole or not at all)."""
    return job.target.exists() and job.target.stat().st_size > 0


def run_jobs(
    jobs: Sequence[Job],
    work: Work,
    label: str,
    *,
    num_workers: int | None = None,
    finished: Callable[[Job], bool] = is_made,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchReport:
    """Do `work` on every job whose target is not `finished`; a failing job is listed and stops no other.

    Raises:
        UserError: raised by `work` for a problem of the whole run; running jobs are stopped first, as on Ctrl-C.
    """
    started = time.perf_counter()
    for folder in sorted({job.target.parent for job in jobs}):
        folder.mkdir(parents=True, exist_ok=True)
        atomic.remove_orphans(folder)
    todo = [job for job in jobs if overwrite or not finished(job)]
    report = BatchReport(skipped=len(jobs) - len(todo))
    workers = max(1, default_workers() if num_workers is None else num_workers)
    with progress_bar(len(todo), label, enabled=progress) as bar, closing(_in_threads(todo, work, workers)) as results:
        for job, future in results:
            try:
                warning = future.result()
            except UserError:
                raise
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):  # every further job would fail, too
                    raise
                report.fail(job.name, error)
            except Exception as error:  # one bad clip must not stop a batch: it is listed with its reason
                report.fail(job.name, error)
            else:
                report.done += 1
                if warning:
                    report.warnings.append((printable(job.name), printable(warning)))
            bar.update()
    report.failures.sort()
    report.warnings.sort()
    report.seconds = time.perf_counter() - started
    return report


def _in_threads(jobs: Sequence[Job], work: Work, workers: int) -> Generator[tuple[Job, Future[str]], None, None]:
    """Yield (job, finished future); few jobs are handed out ahead. Closed early, it stops what is running."""
    stop = threading.Event()
    waiting = iter(jobs)
    running: dict[Future[str], Job] = {}
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            for job in islice(waiting, 2 * workers - len(running)):
                running[pool.submit(work, job, stop)] = job
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def print_report(report: BatchReport, folder: Path, failures_file: bool = True) -> None:
    """Counts and lists on stdout; all failures of the run go into ``failures.csv`` of `folder`."""
    print(
        f"{report.done} done, {report.skipped} already there, {len(report.failures)} failed in {report.seconds:.1f} s "
        f"-> {printable(str(folder))}"
    )
    _print_list("warning", report.warnings, "")
    _print_list("failed", report.failures, f": see {FAILURES_FILE} in the folder" if failures_file else "")
    if failures_file and report.failures:
        write_csv(folder / FAILURES_FILE, COLUMNS, report.failures)
    elif failures_file:
        (folder / FAILURES_FILE).unlink(missing_ok=True)


def _print_list(kind: str, rows: list[tuple[str, str]], more: str) -> None:
    for name, text in rows[:MAX_LISTED]:
        print(f"  {kind}: {name}: {text}")
    if len(rows) > MAX_LISTED:
        print(f"  ... and {len(rows) - MAX_LISTED} more{more}")
