"""Starting a job, killing it with SIGKILL, and finding what it left running (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

MARK = "FAULT_DRILL_RUN"  # a variable that every process of a run inherits, however it detaches itself
OWNER = "FAULT_DRILL_OWNER"  # another one, with the number of the process that drills
PATIENCE = 60.0  # seconds in which processes without their parent have to end, on a busy machine
LONGEST = 1800.0  # seconds of a run, before it counts as hanging


class Run:
    """A running command. What it prints is kept in `output` once it has ended."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self.mark = uuid.uuid4().hex
        self.output = ""
        self._text = tempfile.TemporaryFile()  # noqa: SIM115 (read when the run has ended)
        self._process = subprocess.Popen(
            command,
            env=environment | {MARK: self.mark, OWNER: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=self._text,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, seconds: float = LONGEST) -> int | None:
        """The exit status, or None when it still runs after `seconds`."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._text.seek(0)
        self.output = self._text.read().decode("utf-8", "replace")
        return status

    def kill(self, whole: bool) -> None:
        """SIGKILL to all processes of the run, or to the first one alone."""
        for pid in self.alive() if whole else [self.pid]:
            kill(pid)
        self._process.wait()

    def alive(self) -> list[int]:
        """Processes of this run that are there."""
        return [pid for pid in running() if has_variable(pid, MARK, self.mark)]

    def left_over(self) -> list[str]:
        """Command lines of processes that have not ended `PATIENCE` seconds after the run; they are killed then."""
        end = time.monotonic() + PATIENCE
        while (left := self.alive()) and time.monotonic() < end:
            time.sleep(0.1)
        lines = [command_line(pid) for pid in left]
        for pid in left:
            kill(pid)
        return lines


def has_variable(pid: int, name: str, value: str) -> bool:
    try:
        return f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or not ours
        return False


def end_all() -> None:
    """Kill what this process has started and not ended: the drills were interrupted."""
    for pid in running():
        if has_variable(pid, OWNER, str(os.getpid())):
            kill(pid)


def running() -> list[int]:
    """Numbers of all processes; those that have ended and wait for their parent have no environment any more."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:80]
    except OSError:
        return "?"


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
