"""The drills: each disturbs a job, lets it go on to its end, and compares with what an undisturbed run wrote."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from drills.compare import Contents, contents, differences, files_of, half_written, temporary_files
from drills.disk import NoDisk, change, room_for, small_disk
from drills.jobs import SAMPLES, Job, full_command
from drills.processes import LONGEST, Run

Problems = list[str]


@dataclass
class Row:
    """One line of the table."""

    drill: str
    job: str
    repeats: int = 0
    moments: str = ""
    files: int = 0
    problems: Problems = field(default_factory=list)
    leftovers: Problems = field(default_factory=list)
    seconds: float = 0.0
    skipped: str = ""
    remark: str = ""

    @property
    def good(self) -> bool:
        return not (self.problems or self.leftovers)


@dataclass
class Undisturbed:
    """What a run of `job` writes and how long it takes when nothing happens to it."""

    job: Job
    work: Path
    contents: Contents
    folder: Path
    seconds: float

    @classmethod
    def of(cls, job: Job, work: Path) -> Undisturbed:
        folder = fresh(job, work / "undisturbed")
        began = time.perf_counter()
        run = start(job, folder)
        if run.wait() != 0:
            raise RuntimeError(f"{job.name}: failed undisturbed:\n{run.output[-3000:]}")
        left = run.left_over() + temporary_files(folder)
        if left:
            raise RuntimeError(f"{job.name}: an undisturbed run left {left}")
        return cls(job, work, contents(folder), folder, time.perf_counter() - began)

    @property
    def files(self) -> int:
        return sum(map(len, self.contents.values()))

    def finish(self, folder: Path, row: Row) -> None:
        """Run the job in `folder` to its end, and compare."""
        run = start(self.job, folder)
        status = run.wait()
        if status != 0:
            row.problems.append(f"the last run ended with {status}: {last_line(run.output)}")
        row.leftovers += run.left_over() + temporary_files(folder)
        self.compare(folder, row)

    def compare(self, folder: Path, row: Row) -> None:
        row.files += self.files
        row.problems += differences(contents(folder), self.contents)


def fresh(job: Job, folder: Path) -> Path:
    """An empty output folder of `job`."""
    folder.mkdir()
    job.prepare(folder)
    return folder


def start(job: Job, folder: Path) -> Run:
    return Run(*full_command(job, folder))


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "nothing printed"


def done_files(job: Job, folder: Path) -> int:
    return sum(path.match(job.counted) and not path.name.startswith(".") for path in files_of(folder))


def kills(usual: Undisturbed, repeats: int, chance: random.Random) -> Row:
    """SIGKILL at random moments, to one process or all of a run; each time the command is given again."""
    job, whole = usual.job, done_files(usual.job, usual.folder)
    row = Row("kill -9", job.name)
    job.asked.clear()
    there, series, attempts = [], 0, 0
    folder = fresh(job, usual.work / "killed-0")
    while row.repeats < repeats and attempts < 3 * repeats:
        attempts += 1
        run = start(job, folder)
        if _reaches_its_end(run, usual, folder, whole, chance):
            if run.wait() != 0:
                row.problems.append(f"a run ended with an error: {last_line(run.output)}")
            row.leftovers += run.left_over() + temporary_files(folder)
            usual.compare(folder, row)
            series += 1
            folder = fresh(job, usual.work / f"killed-{series}")
            continue
        run.kill(whole=chance.random() < 0.5)
        row.repeats += 1
        there.append(done_files(job, folder))
        row.leftovers += run.left_over()
        row.problems += half_written(contents(folder), usual.contents)
    usual.finish(folder, row)
    row.moments = f"{series + 1} times from nothing to the end, killed with {_list(there)} of {whole} files there"
    if job.asked:
        asked, most = sum(job.asked.values()), SAMPLES * (series + 1) + 4 * row.repeats
        row.remark = f"{asked} replies asked for; {SAMPLES} needed each time, at most 4 under way at a kill: {most}"
        row.problems += [row.remark] if asked > most else []
    return row


def _reaches_its_end(run: Run, usual: Undisturbed, folder: Path, whole: int, chance: random.Random) -> bool:
    """Wait for a random moment: some files more than there are, and a moment more; whether the run ended before."""
    there = done_files(usual.job, folder)
    wanted = there + chance.randint(0, max(1, whole // 6))
    end = time.monotonic() + LONGEST
    while wanted > there and done_files(usual.job, folder) < wanted and time.monotonic() < end:
        if run.wait(0.02) is not None:
            return True
    # with nothing to wait for: somewhere from the start of the program to its first files
    longest = usual.seconds / whole if wanted > there else usual.seconds / 2
    return run.wait(chance.uniform(0, longest)) is not None


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def two_at_once(usual: Undisturbed, repeats: int) -> Row:
    """Two processes with the same command at the same time."""
    row = Row("two processes", usual.job.name, moments="both from the start")
    refused = 0
    for number in range(repeats):
        folder = fresh(usual.job, usual.work / f"two-{number}")
        runs = [start(usual.job, folder), start(usual.job, folder)]
        statuses = [run.wait() for run in runs]
        refused += sum(status == 2 for status in statuses)
        wrong = [run for run, status in zip(runs, statuses, strict=True) if status not in (0, 2)]
        row.problems += [f"a run ended with an error: {last_line(run.output)}" for run in wrong]
        row.problems += [f"traceback: {last_line(run.output)}" for run in runs if "Traceback" in run.output]
        if 0 not in statuses:
            row.problems.append(f"neither finished: {statuses}")
        row.leftovers += [line for run in runs for line in run.left_over()] + temporary_files(folder)
        usual.compare(folder, row)
        row.repeats += 1
    row.remark = f"{refused} of {2 * repeats} were told that another one is at work" if refused else "all ended with 0"
    return row


def full_disk(usual: Undisturbed, shares: tuple[float, ...]) -> Row:
    """A disk that has room for a part of the output; the run must say so, and go on once there is room."""
    row = Row("full disk", usual.job.name, moments=f"at {', '.join(f'{share:.0%}' for share in shares)} of the output")
    size = room_for(usual.folder)
    for number, share in enumerate(shares):
        try:
            with small_disk(usual.work / f"disk-{number}", int(size * share)) as folder:
                usual.job.prepare(folder)
                run = start(usual.job, folder)
                status = run.wait()
                row.repeats += 1
                row.problems += _fault(run.output, status, ("space",))
                row.remark = last_line(run.output).replace(str(usual.work), "...")
                row.leftovers += run.left_over()
                row.problems += half_written(contents(folder), usual.contents)
                change(folder, f"size={4 * size + (64 << 20)}")
                usual.finish(folder, row)
        except NoDisk as error:
            return Row(row.drill, row.job, skipped=str(error))
    return row


def read_only(usual: Undisturbed) -> Row:
    """An output folder that cannot be written: an error with its name, nothing else; later it can."""
    row = Row("read-only output", usual.job.name, moments="from the start")
    try:
        with small_disk(usual.work / "read-only", 4 * room_for(usual.folder) + (64 << 20)) as folder:
            usual.job.prepare(folder)
            before = contents(folder)
            change(folder, "ro")
            run = start(usual.job, folder)
            status = run.wait()
            row.repeats += 1
            row.problems += _fault(run.output, status, ("read-only", str(folder)))
            row.remark = last_line(run.output).replace(str(usual.work), "...")
            row.leftovers += run.left_over()
            row.problems += differences(contents(folder), before)
            change(folder, "rw")
            usual.finish(folder, row)
    except NoDisk as error:
        return Row(row.drill, row.job, skipped=str(error))
    return row


def _fault(output: str, status: int | None, words: tuple[str, ...]) -> Problems:
    """What is wrong with how a run told of a fault that it could not mend."""
    problems = [] if status in (1, 2) else [f"exit status {status}: {last_line(output)}"]
    problems += ["a traceback instead of a message"] if "Traceback" in output else []
    return problems + [f"no word of {word!r}: {last_line(output)}" for word in words if word not in output.lower()]
