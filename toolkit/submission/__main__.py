"""A submission of MER2024 from predictions, and whether a submission is in order.

  python -m toolkit.submission write test1_....npz --track SEMI --candidates candidates.csv --output submission.csv
  python -m toolkit.submission write predictions.csv --track NOISE --output submission.csv
  python -m toolkit.submission check submission.csv --track SEMI --candidates candidates.csv
  python -m toolkit.submission check openset.csv --track OV

SEMI and NOISE: columns name,discrete; OV: name,openset with lists such as ['happy', 'surprised']. --candidates is the
csv of the names to submit (column name; MER2024 gives 20,000). check names every problem with file and line; the order
of the rows means nothing. Exit status: 0 in order (or written), 1 not in order, 2 nothing could be done.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from toolkit.utils.errors import UserError, run_main


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m toolkit.submission",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="write|check")
    write = commands.add_parser("write", help="make a submission from predictions", allow_abbrev=False)
    write.add_argument("predictions", type=Path, help="results file test1_*.npz, or a csv with the columns name, LABEL")
    write.add_argument("--output", type=Path, required=True, metavar="CSV", help="the submission")
    write.add_argument("--column", default="", help="of a csv: the column of labels (default: as in the submission)")
    check = commands.add_parser("check", help="look whether a submission is in order", allow_abbrev=False)
    check.add_argument("csv", type=Path, help="the submission")
    check.add_argument("--label_parser", default="quotes", choices=("quotes", "literal"), help="OV: reading of lists")
    for command in (write, check):
        command.add_argument("--track", required=True, help="SEMI, NOISE or OV")
        command.add_argument("--candidates", type=Path, metavar="CSV", help="the names to submit (column name)")
        command.add_argument("--labels", metavar="LIST", help="label set, with commas (default: the track's)")
        command.add_argument("--dataset", metavar="NAME", help="take the label set of this corpus")
        command.add_argument("--data_root", help="folder of your own corpora, for --dataset")
    args = parser.parse_args(argv)
    from toolkit.submission.commands import run_check, run_write
    from toolkit.submission.tracks import get_track

    track, labels = get_track(args.track), _labels(args)
    if labels and not track.labels and (args.command == "check" or args.predictions.suffix.lower() != ".npz"):
        raise UserError(f"--track {track.name} takes any words: leave out --labels and --dataset")
    if args.command == "check":
        return run_check(args.csv, track, args.candidates, labels, args.label_parser)
    if not labels and not track.labels:
        from toolkit.globals import EMOS_MER

        labels = EMOS_MER
    return run_write(args.predictions, args.output, track, args.candidates, labels, args.column)


def _labels(args: argparse.Namespace) -> tuple[str, ...]:
    """The label set that the command line names, () for the track's."""
    if args.labels is not None and args.dataset:
        raise UserError("--labels and --dataset both name a label set; give one")
    if args.dataset:
        from toolkit.dataloader.corpora import get_corpus

        emotions = get_corpus(args.dataset, args.data_root).emotions
        if not emotions:
            raise UserError(f"--dataset {args.dataset}: has no emotion labels")
        return emotions
    if args.labels is None:
        return ()
    labels = tuple(word.strip() for word in args.labels.split(",") if word.strip())
    if not labels:
        raise UserError(f"--labels {args.labels!r}: names no label; give them with commas, such as happy,sad")
    return labels


if __name__ == "__main__":
    run_main(main)
