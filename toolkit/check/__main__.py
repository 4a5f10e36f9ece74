"""One report of a corpus root: what is there, what is missing, what is odd. Nothing in it is changed.

  python -m toolkit.check --dataset MER2024
  python -m toolkit.check --dataset MER2024 --data_root D --html report.html
  python -m toolkit.check --dataset MER2024 --parts features --features "*hubert*"
  python -m toolkit.check --dataset MER2024 --quick --strict

Labels, videos (all frames are decoded: is the declared length the real one?), sounds, faces, transcripts and every
feature folder. --quick reads containers and headers only. Exit status: 0 in order, or warnings only; 1 errors (with
--strict also warnings); 2 nothing could be checked. What each finding means: docs/check.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from toolkit.utils.errors import UserError, run_main


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m toolkit.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--dataset", required=True, metavar="NAME", help="e.g. MER2024, or one of your own")
    parser.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    parser.add_argument("--features", default="*", metavar="GLOB", help="only feature folders like this, e.g. '*-UTT'")
    parser.add_argument("--parts", metavar="LIST", help="only these, with commas: videos,audio,faces,...")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: one per core, at most 8; 0: none)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page, too")
    parser.add_argument("--quick", action="store_true", help="containers and headers only, nothing is decoded or read")
    parser.add_argument("--strict", action="store_true", help="warnings give exit status 1, too")
    args = parser.parse_args(argv)
    if args.workers is not None and args.workers < 0:
        parser.error(f"--workers {args.workers} is less than 0")
    from toolkit.check.run import KINDS, check_corpus
    from toolkit.check.text import report_lines
    from toolkit.preprocess.batch import default_workers
    from toolkit.utils import atomic

    if args.html is not None and args.html.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--html {args.html}: is no name of a page; it would be overwritten; end it in .html")
    if args.html is not None and args.html.is_dir():
        raise UserError(f"--html {args.html}: is a folder; name a file in it, such as {args.html / 'report.html'}")
    if args.html is not None and not args.html.absolute().parent.is_dir():
        raise UserError(f"--html {args.html}: its folder does not exist; make it first")
    report = check_corpus(
        args.dataset,
        args.data_root,
        features=args.features,
        kinds=[word.strip() for word in args.parts.split(",")] if args.parts else KINDS,
        workers=default_workers() if args.workers is None else args.workers,
        quick=args.quick,
    )
    for line in report_lines(report):
        print(line)
    if args.html is not None:
        from toolkit.check.page import build_page

        atomic.write_text(args.html, build_page(report))
        print(f"page: {args.html}")
    return report.exit_status(args.strict)


if __name__ == "__main__":
    run_main(main)
