"""Running one benchmark as a child process and keeping what it printed, so that the page can be made again from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.report_ratio import Benchmark
from toolkit.utils import atomic

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
LONGEST = 3600.0  # seconds of one benchmark


@dataclass(frozen=True)
class Outcome:
    """One run of a benchmark: what it printed, how long it took, the load average before it and after it."""

    name: str
    mode: str
    status: int
    output: str
    seconds: float
    when: str
    commit: str
    load: tuple[float, float]

    @property
    def last_line(self) -> str:
        """What a failed benchmark said last."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "nothing printed"


def run(benchmark: Benchmark, mode: str, commit: str) -> Outcome:
    """Run it; Ctrl-C ends it and all its processes."""
    command = [sys.executable, "-u", str(FOLDER / benchmark.script), *benchmark.arguments(mode)]
    before, began = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryFile() as text:
        child = subprocess.Popen(
            command, cwd=FOLDER.parent, stdout=text, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = child.wait(LONGEST)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            status = 124
        text.seek(0)
        output = _readable(text.read().decode("utf-8", "replace"))
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    seconds = time.perf_counter() - began
    return Outcome(benchmark.name, mode, status, output, seconds, when, commit, (before, os.getloadavg()[0]))


def _readable(text: str) -> str:
    """Without what a progress bar has overwritten, and without folders of this machine."""
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    text = "\n".join(lines)
    for place, name in ((FOLDER.parent, "<repository>"), (sys.prefix, "<python>"), (tempfile.gettempdir(), "<tmp>")):
        text = text.replace(str(place), name)
    return text.strip() + "\n"


def keep(outcome: Outcome) -> None:
    """Write the outcome to ``results/<mode>-<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(asdict(outcome), indent=1, ensure_ascii=False)
    atomic.write_text(RESULTS / f"{outcome.mode}-{outcome.name}.json", text + "\n")


def kept(mode: str) -> dict[str, Outcome]:
    """The last outcome of each benchmark in this mode, by name."""
    found = {}
    for path in sorted(RESULTS.glob(f"{mode}-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found[content["name"]] = Outcome(**content | {"load": tuple(content["load"])})
    return found
