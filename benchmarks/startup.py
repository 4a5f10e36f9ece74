"""Start-up time of every entry script: the median of `--help` over some runs, as a whole process.

  python benchmarks/startup.py [--runs 5]

The reference's main-release.py needed about 8 s of imports before it looked at its arguments.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def help_seconds(script: Path, runs: int) -> list[float]:
    """Wall-clock seconds of ``python <script> --help``, one per run, after one warm-up run."""
    seconds = []
    for run in range(runs + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, str(script), "--help"], check=False, capture_output=True)
        if run:
            seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print one line per script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    scripts = sorted(REPOSITORY.glob("main-*.py")) + sorted((REPOSITORY / "feature_extraction").glob("*/extract_*.py"))
    scripts += sorted((REPOSITORY / "feature_extraction").glob("*/handcrafted_*.py"))
    for script in scripts:
        seconds = help_seconds(script, args.runs)
        name = str(script.relative_to(REPOSITORY))
        print(f"{name:60} median {statistics.median(seconds):.2f} s, min {min(seconds):.2f}, max {max(seconds):.2f}")


if __name__ == "__main__":
    main()
