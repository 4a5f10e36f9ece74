"""All benchmarks, one after the other, and the page benchmarks/RESULTS.md with every ratio beside its target.

  python -m benchmarks                      short mode: under 10 minutes on 2 idle CPU cores
  python -m benchmarks --full               all sizes and rounds: an hour
  python -m benchmarks --gpu                those that have a GPU mode
  python -m benchmarks --only noise faces   some of them; the others keep their last figures
  python -m benchmarks --list

Each runs as a process of its own. The page is written anew after each one, from results/*.json, so an interrupted run
loses nothing but the benchmark it was in. Exit status 1 when one failed; a missed target is no failure, it says so.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from benchmarks.checkout import commit
from benchmarks.report_curves import draw
from benchmarks.report_page import gpu_name, page
from benchmarks.report_run import FOLDER, RESULTS, keep, kept, run
from benchmarks.report_table import BENCHMARKS
from toolkit.utils import atomic
from toolkit.utils.errors import run_main

MODES = ("short", "full", "gpu")


def write_page() -> None:
    """Pictures and page from what was kept."""
    by_mode = {mode: kept(mode) for mode in MODES}
    pictures = {mode: draw(outcomes, RESULTS, mode) for mode, outcomes in by_mode.items()}
    atomic.write_text(FOLDER / "RESULTS.md", page(by_mode, pictures))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--short", action="store_true", help="the default")
    mode.add_argument("--full", action="store_true", help="all sizes and rounds")
    mode.add_argument("--gpu", action="store_true", help="what can run on a GPU, on the first one")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[row.name for row in BENCHMARKS])
    parser.add_argument("--list", action="store_true", help="print the names and end")
    args = parser.parse_args(argv)
    if args.list:
        print("\n".join(f"{row.name:12} {row.script} {' '.join(row.flags)}".rstrip() for row in BENCHMARKS))
        return 0
    if args.gpu and not gpu_name():
        print("no GPU: torch sees none here, so nothing was measured")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `timeout` and job systems: like Ctrl-C
    chosen = "full" if args.full else "gpu" if args.gpu else "short"
    rows = [row for row in BENCHMARKS if row.name in (args.only or [row.name])]
    failed = []
    for number, row in enumerate((row for row in rows if chosen != "gpu" or row.gpu is not None), start=1):
        print(f"[{number}/{len(rows)}] {row.name}: {row.script} {' '.join(row.arguments(chosen))}", flush=True)
        outcome = run(row, chosen, commit(FOLDER.parent))
        print(outcome.output, f"{outcome.seconds:.0f} s, exit status {outcome.status}", sep="", flush=True)
        keep(outcome)
        write_page()
        failed += [row.name] if outcome.status else []
    print(f"-> {FOLDER / 'RESULTS.md'}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    run_main(main, sys.argv[1:])
