"""A worker of the Ray engine, killed in the middle of an extraction."""

from __future__ import annotations

import dataclasses
import importlib.util
import random
import subprocess
import time
from pathlib import Path

from drills.compare import temporary_files
from drills.faults import Row, Undisturbed, done_files, fresh, last_line, start
from drills.jobs import full_command
from drills.processes import Run, command_line, kill

ACTORS = "ray::RemoteWorker"  # not ray::IDLE, which has nothing to do, nor Ray's own agents, without which a node ends
PATIENCE = 300.0  # seconds until the workers are up, on a busy machine


def ray_worker(usual: Undisturbed, repeats: int, chance: random.Random) -> Row:
    """SIGKILL to one worker of a run with ``--engine ray``, which must end well all the same."""
    row = Row("kill a Ray worker", usual.job.name)
    if importlib.util.find_spec("ray") is None:
        return dataclasses.replace(row, skipped="ray is not installed (extra: distributed)")
    command, environment = full_command(usual.job, usual.folder)
    shown = subprocess.run([*command[:2], "--help"], env=environment, capture_output=True, text=True).stdout
    if "--engine" not in shown:
        return dataclasses.replace(row, skipped="no --engine ray")
    ray = dataclasses.replace(usual.job, command=usual.job.ray_command)
    there = []
    for number in range(repeats):
        folder = fresh(ray, usual.work / f"ray-{number}")
        run = start(ray, folder)
        worker = _await_worker(run, folder, chance, usual)
        if worker is None:
            row.problems.append(f"no worker was seen: {last_line(run.output)}")
            run.kill(whole=True)
            continue
        there.append(done_files(ray, folder))
        kill(worker)
        row.repeats += 1
        status = run.wait()
        if status != 0:
            row.problems.append(f"the run ended with {status}: {last_line(run.output)}")
        row.leftovers += run.left_over() + temporary_files(folder)
        usual.compare(folder, row)
    row.moments = f"with {', '.join(map(str, there))} of {done_files(usual.job, usual.folder)} files there"
    return row


def _await_worker(run: Run, folder: Path, chance: random.Random, usual: Undisturbed) -> int | None:
    """A process of one of the run's actors, some files after the first one."""
    wanted = chance.randint(1, max(1, done_files(usual.job, usual.folder) // 2))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and run.wait(0.05) is None:
        if done_files(usual.job, folder) >= wanted:
            actors = [pid for pid in run.alive() if command_line(pid).startswith(ACTORS)]
            if actors:
                return chance.choice(actors)
    return None
