"""The command line that all extraction scripts share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from feature_extraction.contract import LEVELS, Extractor
from feature_extraction.samples import corpus_samples
from feature_extraction.save_loop import ExtractionReport, run_extraction
from toolkit.globals import CORPUS_LAYOUTS, corpus_paths

MAX_LISTED = 20  # failures printed in full; the rest are in failures.csv


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def count(text: str) -> int:
    """An argparse type: an integer of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def extraction_parser(description: str | None, batch_size: int = 8) -> argparse.ArgumentParser:
    """A parser with the flags of every extractor; scripts add their own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=list(CORPUS_LAYOUTS), metavar="NAME", help="e.g. MER2024")
    parser.add_argument("--feature_level", default="UTTERANCE", choices=LEVELS)
    parser.add_argument("--gpu", type=int, default=0, help="GPU index, -1 = CPU (default 0; CPU when there is none)")
    parser.add_argument("--strict_gpu", action="store_true", help="stop when the GPU does not exist")
    parser.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    parser.add_argument(
        "--batch_size", type=positive_int, default=batch_size, help=f"clips per batch (default {batch_size})"
    )
    parser.add_argument("--num_workers", type=count, default=0, help="processes that read ahead (default 0)")
    parser.add_argument("--limit", type=positive_int, help="only the first N clips in name order")
    parser.add_argument("--overwrite", action="store_true", help="extract finished clips again")
    return parser


def run_extractor(args: argparse.Namespace, build: Callable[[], Extractor], language: str = "chinese") -> int:
    """List the corpus' samples, build the extractor, run the save loop, print what happened; the exit status."""
    extractor = build()
    paths = corpus_paths(args.dataset, args.data_root)
    samples = corpus_samples(paths, extractor.modality, language)[: args.limit]
    report = run_extraction(
        extractor,
        samples,
        paths.features,
        args.feature_level,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        overwrite=args.overwrite,
    )
    print_report(report)
    return report.exit_status


def print_report(report: ExtractionReport) -> None:
    """Counts, folders and the list of failures, on stdout."""
    print(
        f"{report.done} done, {report.skipped} already there, {len(report.failures)} failed in {report.seconds:.1f} s",
        "->",
        ", ".join(str(folder) for folder in report.folders),
    )
    for name, reason in report.failures[:MAX_LISTED]:
        print(f"  failed: {name}: {reason}")
    if len(report.failures) > MAX_LISTED:
        print(f"  ... and {len(report.failures) - MAX_LISTED} more: see failures.csv in the folder")
