"""The table of the drills as a page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from checkout import commit

from drills.faults import Row
from toolkit.utils import atomic

RESULTS = Path(__file__).resolve().parent.parent / "results"
HEAD = """# Fault drills

Written by `python benchmarks/fault_drills.py`; do not edit.

Each job is run undisturbed, then disturbed, then given its command again until it ends. What it has written is compared
with the undisturbed run's: byte for byte; of result files with a time in their name the arrays, bit for bit; of the
leaderboard all columns but times and file names; of the table of scores all columns but the one that says whether a
reply was asked for or found (its picture says so, too, and must only be whole). "Equal" also means that no file is
missing or too much and that at no moment of a kill a file stood there half-written. "Left" counts temporary files and
processes after the end.

- extraction: eGeMAPS of the demo's 60 sounds, 2 worker processes
- training search: 6 runs x 5 folds of attention, 2 processes, packed cache, `--savemodel`, `--resume`
- noise: 12 of the demo's clips, 2 worker processes
- open vocabulary: 60 groupings from a chat model on this machine that thinks for 0.1 s, 4 requests at a time

kill -9 hits the first process alone or all processes of the run, each half of the time, at a random moment: while the
program starts, or some files later. Then the command is given again, and killed again, until it has reached its end;
that is compared, and the next series starts from nothing.

When and where (commit with +: files differed from it):

"""
TABLE = """
| drill | job | repeats | moments | files compared | equal? | left | seconds |
|---|---|---|---|---|---|---|---|
"""


@dataclass
class JobRun:
    """The drills of one job in one run, and where and when that was."""

    name: str
    seed: int
    short: bool
    when: str
    commit: str
    cores: int
    python: str
    load: list[float]
    rows: list[Row]

    @classmethod
    def begun(cls, name: str, seed: int, short: bool, repository: Path) -> JobRun:
        now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        cores, load = len(os.sched_getaffinity(0)), [os.getloadavg()[0]] * 2
        return cls(name, seed, short, now, commit(repository), cores, platform.python_version(), load, [])

    def keep(self) -> None:
        """Write it to ``results/drills-<name>.json``, from which the page is made."""
        self.load[1] = os.getloadavg()[0]
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        atomic.write_text(RESULTS / f"drills-{self.name}.json", text + "\n")


def kept(names: Sequence[str]) -> list[JobRun]:
    """The last run of each job that was ever drilled."""
    found = []
    for path in (RESULTS / f"drills-{name}.json" for name in names):
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            found.append(JobRun(**content | {"rows": [Row(**row) for row in content["rows"]]}))
    return found


def page(runs: Sequence[JobRun]) -> str:
    """The whole page; every problem is listed below the table."""
    text = HEAD + "".join(_where(run) for run in runs)
    rows = [row for run in runs for row in run.rows]
    text += TABLE + "".join(f"{_line(row)}\n" for row in rows)
    found = Counter(
        f"- {row.drill}, {row.job}: {_short(text)}" for row in rows for text in row.problems + row.leftovers
    )
    faults = [line if count == 1 else f"{line} ({count} files)" for line, count in found.items()]
    if faults:
        text += "\n**Found:**\n\n" + "\n".join(faults[:60]) + "\n"
        text += f"- ... and {len(faults) - 60} more\n" if len(faults) > 60 else ""
    remarks = [f"- {row.drill}, {row.job}: {row.remark}" for row in rows if row.remark]
    return text + ("\nLast lines and counts:\n\n" + "\n".join(remarks) + "\n" if remarks else "")


def _where(run: JobRun) -> str:
    return (
        f"- {run.name}: {run.when}, commit {run.commit}, seed {run.seed}{', --short' if run.short else ''}, Python "
        f"{run.python}, {run.cores} cores, load {run.load[0]:.1f} to {run.load[1]:.1f}\n"
    )


def _short(text: str) -> str:
    """A problem with the folder of a saved model in place of each of its files, and long names cut."""
    text = re.sub(r"(/model/)[^/]*_([0-9a-f]{8})/.*", r"\1..._\2", text)
    return text if len(text) <= 300 else f"{text[:300]}..."


def _line(row: Row) -> str:
    if row.skipped:
        return f"| {row.drill} | {row.job} | - | - | - | skipped: {row.skipped} | - | - |"
    equal = "yes" if not row.problems else f"**NO** ({len(row.problems)})"
    left = "0" if not row.leftovers else f"**{len(row.leftovers)}**"
    cells = [row.drill, row.job, row.repeats, row.moments, row.files, equal, left, f"{row.seconds:.0f}"]
    return f"| {' | '.join(map(str, cells))} |"
