"""The command line that all corpora share, and the counts it ends with."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.globals import CORPUS_LAYOUTS, corpus_paths, default_data_root
from toolkit.preprocess.batch import print_report
from toolkit.preprocess.place import LINKS
from toolkit.preprocess.prepare import Options, prepare
from toolkit.preprocess.raw_corpus import RawCorpus, Reader
from toolkit.utils.errors import UserError


def run_corpus(
    argv: Sequence[str] | None, doc: str, corpus: str, dataset: str, read: Reader, download: str = ""
) -> int:
    """Parse the flags, read the download with `read`, prepare it, report.

    Args:
        doc: the module's docstring, shown by ``--help``.
        corpus: the name shown to the user.
        dataset: the row of `toolkit.globals.CORPUS_LAYOUTS` that says where things go.
        download: the folder below the data root in which the download is looked for; "": that of `dataset`.

    Returns:
        Exit status: 1 when any clip failed.
    """
    raw_folder = download or CORPUS_LAYOUTS[dataset].root.removesuffix("-process")
    args = _parser(doc, raw_folder, CORPUS_LAYOUTS[dataset].root).parse_args(argv)
    paths = corpus_paths(dataset, args.data_root)
    base = Path(args.data_root).expanduser() if args.data_root else default_data_root()
    if base.exists() and not base.is_dir():
        raise UserError(f"{base} is a file; --data_root (or MER_DATA_ROOT) must be a folder")
    raw = read((args.raw_root or base / raw_folder).expanduser(), paths)
    paths.root.mkdir(parents=True, exist_ok=True)
    prepared = prepare(raw, paths, Options(args.link, args.workers, args.overwrite))
    print_report(prepared.report, paths.video)
    for note in raw.notes:
        print(note)
    for line in count_lines(raw, prepared.written, corpus):
        print(line)
    place = f" --data_root {shlex.quote(args.data_root)}" if args.data_root else ""
    print(f"next: python -m toolkit.preprocess.audio --dataset {dataset}{place}")
    return prepared.report.exit_status


def _parser(doc: str, raw_folder: str, folder: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--raw_root", type=Path, help=f"the download (default: {raw_folder}/ below the data root)")
    parser.add_argument("--data_root", help=f"folder that gets {folder}/ (default: MER_DATA_ROOT)")
    parser.add_argument(
        "--link", choices=list(LINKS), default="hard", help="how to place videos that need no cutting (default: hard)"
    )
    parser.add_argument(
        "--workers",
        "--num_workers",
        type=worker_count,
        help="clips at the same time (default: one per core, at most 8)",
    )
    parser.add_argument("--overwrite", action="store_true", help="make finished clips and transcripts again")
    return parser


def worker_count(text: str) -> int:
    """A number of workers, 1 or more, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def count_lines(raw: RawCorpus, written: Mapping[str, Mapping[str, int]], corpus: str) -> list[str]:
    """The table of samples: written, named by the download, and known of the whole corpus."""
    lines = [f"{'samples':<32}{'written':>10}{'in the download':>18}{'whole corpus':>15}"]
    whole = True
    for file, keys in raw.labels.items():
        for key, labels in keys.items():
            known = raw.known.get(file, {}).get(key)
            whole = whole and known in (None, len(labels))
            shown = "unknown" if known is None else f"{known:,}"
            lines.append(f"{f'{file} {key}':<32}{written[file][key]:>10,}{len(labels):>18,}{shown:>15}")
    if not whole:
        lines.append(f"this download is not the whole {corpus} corpus (see the table)")
    return lines
