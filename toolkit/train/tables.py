r"""The paper's tables: all unimodal features, then top-n fusion, each from one command.

  python -m toolkit.train.tables unimodal --dataset MER2024 --gpu 0
  python -m toolkit.train.tables fusion --dataset MER2024 --gpu 0

unimodal trains on every ...UTT feature folder, one after the other (one in memory at a time): 50 random draws, the best
6 times more, as `main-release.py --trials 50 --repeat_best 6 --seed 1 --resume` does, into the same folder. fusion does
the same with attention_topn on the n = 1..6 best features of each modality, as the unimodal table ranks them. Both can
be interrupted anywhere: the same command continues. Exit status 1: some feature failed (it is listed).

What comes out, below <save_root>-tables/:
  unimodal-<dataset>.csv, .md     per feature: mean and deviation of weighted F1 and accuracy, best hyper-parameters
  ranks-<dataset>.csv             the features of each modality, best first; main-release.py --rank_from reads it
  fusion-<dataset>.csv, .md       rows top-n, columns modalities
  unimodal-<dataset>.html, fusion-<dataset>.html    python -m toolkit.report of the runs

Further flags (--epochs 50, --num_workers 4, --test_snr snr5 ...) are those of main-release.py, for every search.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.utils.errors import run_main

if TYPE_CHECKING:
    from toolkit.train.table_batch import Outcome
    from toolkit.train.table_protocol import Protocol


def build_parser() -> argparse.ArgumentParser:
    """The parser; flags that it does not know belong to main-release.py."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--dataset", required=True, help="corpus to train on")
    common.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    common.add_argument("--save_root", default="./saved", help="results go to <save_root>-<kind>/ (default ./saved)")
    common.add_argument("--output", type=Path, help="folder for the tables (default <save_root>-tables)")
    common.add_argument("--trials", type=int, default=50, help="random draws of a search (default 50)")
    common.add_argument("--repeat_best", type=int, default=6, help="then so many more runs of the best (default 6)")
    common.add_argument("--seed", type=int, default=1, help="seed of the first draw (default 1)")
    common.add_argument("--gpu", type=int, default=0, help="GPU index, -1 = CPU (default 0; CPU when there is none)")
    common.add_argument("--no_report", action="store_true", help="no HTML page")

    parser = argparse.ArgumentParser(
        prog="python -m toolkit.train.tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("unimodal", parents=[common], allow_abbrev=False, help="every feature on its own")
    step.add_argument("--features", nargs="+", metavar="GLOB", help="folders, e.g. '*hubert*' (default: every ...UTT)")
    step.add_argument("--model", default="attention", help="fusion model (default attention)")
    step.add_argument(
        "--modality",
        nargs="+",
        default=[],
        metavar="FEATURE=M",
        help="audio, text or video, for features the toolkit does not know",
    )
    step = steps.add_parser("fusion", parents=[common], allow_abbrev=False, help="top-n fusion")
    step.add_argument("--topn", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6], metavar="N", help="default 1 to 6")
    step.add_argument(
        "--modalities", nargs="+", default=["AVT", "AV", "AT", "VT"], metavar="M", help="default all four"
    )
    step.add_argument(
        "--rank_from", help="'paper', a csv of ranks, or a folder with a leaderboard (default: the unimodal table's)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    args, further = build_parser().parse_known_args(argv)
    from toolkit.train.table_features import parse_modalities
    from toolkit.train.table_fusion import fusion_table
    from toolkit.train.table_protocol import Protocol
    from toolkit.train.table_unimodal import unimodal_table

    protocol = Protocol(
        args.dataset,
        args.data_root,
        args.save_root,
        args.trials,
        args.repeat_best,
        args.seed,
        args.gpu,
        tuple(further),
        args.output or Path(f"{args.save_root}-tables"),
    )
    if args.step == "unimodal":
        outcome = unimodal_table(protocol, args.model, args.features, parse_modalities(args.modality))
    else:
        outcome = fusion_table(protocol, args.topn, args.modalities, args.rank_from)
    return _finish(outcome, protocol, args.step, not args.no_report)


def _finish(outcome: Outcome, protocol: Protocol, step: str, with_report: bool) -> int:
    """Print the table and what is not in it, make the report; the exit status."""
    print(f"\n{outcome.shown}\n" if outcome.shown else "\nno table: nothing has a score\n")
    for note in outcome.notes:
        print(note)
    for name, path in outcome.written.items():
        print(f"  {name}: {path}" + (".csv, .md" if name == "table" else ""))
    failed = bool(outcome.problems)
    if with_report and outcome.folders:
        page = protocol.output / f"{step}-{protocol.dataset}.html"
        command = [sys.executable, "-m", "toolkit.report", *map(str, outcome.folders), "--output", str(page)]
        title = f"{protocol.dataset}: {step}"
        # A process of its own: the report builds on the training, which must not build on it.
        failed |= subprocess.run([*command, "--title", title], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    run_main(main)
