"""benchmarks/RESULTS.md: every ratio with its target, the curves, and what each benchmark printed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report_curves import table
from benchmarks.report_ratio import Benchmark, Ratio
from benchmarks.report_run import Outcome
from benchmarks.report_table import BENCHMARKS

PACKAGES = ("torch", "transformers", "numpy", "opencv-python-headless", "av", "opensmile", "scikit-learn", "ray")
BUSY = 1.5  # programs that want to run, per core, from which a figure says little; a benchmark alone reaches 1
COLUMNS = ("ratio", "measured", "target", "reached?", "when, load average, commit (+: files changed)")
TITLES = {
    "short": "Short mode, CPU (`python -m benchmarks --short`)",
    "full": "Full mode, CPU (`python -m benchmarks --full`)",
    "gpu": "GPU mode (`python -m benchmarks --gpu`)",
}
HEAD = """# Benchmarks

Written by `python -m benchmarks`; do not edit. A ratio compares two ways measured in the same run on the same machine;
the load average says how busy that machine was. Targets are those of the project's issues; a missed one says so.
"Busy machine": other programs took the processors meanwhile, and the figure, reached or missed, proves little.

"""


def rows(outcomes: Mapping[str, Outcome], mode: str) -> list[tuple[str, str, str, str, str]]:
    """(what, measured, target, reached?, when and load) of every ratio of every benchmark in this mode."""
    found = []
    for benchmark in BENCHMARKS:
        if mode == "gpu" and benchmark.gpu is None:
            continue
        outcome = outcomes.get(benchmark.name)
        ratios = benchmark.gpu_ratios if mode == "gpu" else benchmark.ratios
        for ratio in ratios or _only_output(benchmark):
            found.append(_row(ratio, outcome))
    return found


def _only_output(benchmark: Benchmark) -> tuple[Ratio, ...]:
    return (Ratio(f"{benchmark.name} (figures below)", r"(?!)"),)


def _row(ratio: Ratio, outcome: Outcome | None) -> tuple[str, str, str, str, str]:
    target = "-" if ratio.target is None else f"{'at most ' if ratio.most else ''}{ratio.target:g}"
    if outcome is None:
        return ratio.what, "not measured", target, "-", "-"
    place = f"{outcome.when}, load {outcome.load[0]:.1f} to {outcome.load[1]:.1f}, {outcome.commit}"
    if outcome.status:
        return ratio.what, f"**failed**: {outcome.last_line.replace('|', '/')}", target, "**no**", place
    value = ratio.read(outcome.output)
    if value is None:
        missing = "see below" if ratio.pattern == r"(?!)" else "not in the output"
        return ratio.what, missing, target, "-", place
    reached = {True: "yes", False: "**missed**", None: "-"}[ratio.reached(value)]
    if reached != "-" and max(outcome.load) > BUSY * len(os.sched_getaffinity(0)):
        reached += " (busy machine)"
    return ratio.what, f"{value:.2f} {ratio.unit}".strip(), target, reached, place


def page(by_mode: Mapping[str, Mapping[str, Outcome]], pictures: Mapping[str, Sequence[Path]]) -> str:
    """The whole page; modes that were never run have no section."""
    text = HEAD + _machine() + "\n"
    for mode, outcomes in by_mode.items():
        if not outcomes:
            continue
        seconds = sum(outcome.seconds for outcome in outcomes.values())
        text += f"## {TITLES[mode]}\n\n{len(outcomes)} benchmarks, {seconds / 60:.1f} minutes together.\n\n"
        text += f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
        text += "".join(f"| {' | '.join(row)} |\n" for row in rows(outcomes, mode)) + "\n"
        text += "### Scaling\n\n" + "\n".join(table(outcomes)) + "\n\n"
        text += " ".join(f"![{path.stem}](results/{path.name})" for path in pictures[mode]) + "\n\n"
        text += "### What they printed\n\n" + "".join(_printed(outcome) for outcome in outcomes.values())
    return text.rstrip() + "\n"


def _printed(outcome: Outcome) -> str:
    state = f"exit status {outcome.status}, " if outcome.status else ""
    head = f"<details><summary>{outcome.name} ({state}{outcome.seconds:.0f} s)</summary>"
    return f"{head}\n\n```\n{outcome.output[-8000:].rstrip()}\n```\n\n</details>\n\n"


def _machine() -> str:
    lines = {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores usable",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "GPU": gpu_name() or "no GPU",
    }
    return "".join(f"- {name}: {value}\n" for name, value in lines.items())


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "unknown"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def gpu_name() -> str:
    """The first GPU that torch can use, "" when there is none."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
