"""One HTML page about a set of runs: tables, hyper-parameters, learning curves, confusion matrix, modality weights.

  python -m toolkit.report saved-unimodal saved-trimodal
  python -m toolkit.report ./saved --output report.html --title "MER2024, 12 features"

DIR is a run folder (it holds leaderboard.csv), a folder of such folders, or the --save_root of the training. The page
needs nothing but itself: it opens without a network, on a phone, and prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m toolkit.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="run folder, folder of run folders, or save_root")
    parser.add_argument("--output", type=Path, default=Path("report.html"), help="page (default report.html)")
    parser.add_argument("--title", default="Emotion recognition: what the search found", help="heading of the page")
    args = parser.parse_args(argv)
    from toolkit.report.page import build_page
    from toolkit.report.runs import collect
    from toolkit.utils import atomic

    runs = collect(args.folders)
    page = build_page(runs, args.title)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(args.output, page)
    failed = sum(not run.ok for run in runs)
    print(f"{args.output}: {len(runs)} runs ({failed} failed), {len(page.encode()) / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    run_main(main)
