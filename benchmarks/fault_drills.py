"""Fault drills: kill -9, a full disk, a read-only output, a corrupt cache, two processes, a killed Ray worker.

  python benchmarks/fault_drills.py --short                 3 kills a job, some minutes
  python benchmarks/fault_drills.py [--seed S] [--jobs extraction training noise openset] [--page FILE]

Every job is then run to its end and what it wrote is compared with an undisturbed run's. The table goes to
docs/fault-drills.md; jobs that are not drilled this time keep their last rows (results/drills-*.json). The exit status
is 1 when anything was lost, half-written, different or left behind. Linux; the drills with a disk of their own need
root (mount) and are skipped with a reason otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from drills.cache_drill import corrupt_cache
from drills.faults import Row, Undisturbed, full_disk, kills, read_only, two_at_once
from drills.jobs import JOBS, REPOSITORY
from drills.page import JobRun, kept, page
from drills.processes import end_all
from drills.ray_drill import ray_worker

from toolkit.utils import atomic
from toolkit.utils.errors import run_main

PAGE = REPOSITORY / "docs" / "fault-drills.md"


def rows_of(name: str, work: Path, repeats: int, chance: random.Random) -> Iterator[Row]:
    """All drills of one job, each with the seconds it took."""
    (work / "inputs").mkdir(parents=True)
    usual = Undisturbed.of(JOBS[name](work / "inputs"), work)
    short = repeats < 10
    drills: list[Callable[[], Row]] = [
        lambda: kills(usual, repeats, chance),
        lambda: two_at_once(usual, 1 if short else 2),
    ]
    drills += [lambda: full_disk(usual, (0.5,) if short else (0.3, 0.7)), lambda: read_only(usual)]
    drills += [lambda: corrupt_cache(usual, 3 if short else 8)] if name == "training" else []
    drills += [lambda: ray_worker(usual, 1 if short else 2, chance)] if name == "extraction" else []
    for drill in drills:
        began = time.perf_counter()
        row = drill()
        row.seconds = time.perf_counter() - began
        print(row, flush=True)
        yield row


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, drill, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="3 kills a job instead of 20, fewer of the others")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="(default: all)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"where the table goes (default {PAGE.name} in docs/)")
    args, failed = parser.parse_args(argv), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it would be ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in args.jobs:
        run = JobRun.begun(name, args.seed, args.short, REPOSITORY)
        chance = random.Random(f"{args.seed} {name}")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, contextlib.ExitStack() as end:
            end.callback(end_all)
            for row in rows_of(name, Path(temporary) / "work", 3 if args.short else 20, chance):
                run.rows.append(row)
                run.keep()  # after each drill: an interrupted run keeps its table
                atomic.write_text(args.page, page(kept(list(JOBS))))
        failed += sum(not row.good for row in run.rows)
    return 1 if failed else 0


if __name__ == "__main__":
    run_main(main)
