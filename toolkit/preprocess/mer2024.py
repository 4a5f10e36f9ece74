"""MER2024 from its download: ``video/<name>.mp4`` and ``label-6way.npz`` of ``mer2024-dataset-process/``.

python -m toolkit.preprocess.mer2024
python -m toolkit.preprocess.mer2024 --raw_root /download/mer2024-dataset --data_root /data --link copy

The download holds video-labeled/, video-unlabeled-with-test2noise/ and label-disdim.csv (columns name, discrete, ...).
Videos are hard links where the file system can (no space used), else copies. Labels: train_corpus are the rows of the
csv in file order, test1_corpus every unlabelled clip in name order. MER2024 trains on the discrete labels only, so
every valence is the missing value -10; the labels of test1 are hidden: "neutral" stands there as a placeholder.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.labels import write_labels
from toolkit.globals import EMOS_MER, MISSING_VALENCE, CorpusPaths, corpus_paths, default_data_root
from toolkit.preprocess.batch import BatchReport, Job, print_report, printable, run_jobs
from toolkit.preprocess.media import MediaError, video_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError, run_main
from toolkit.utils.read_files import read_csv

LABELLED, UNLABELLED, LABEL_CSV = "video-labeled", "video-unlabeled-with-test2noise", "label-disdim.csv"
KNOWN_COUNTS = (5030, 115595)  # labelled and unlabelled clips of the whole corpus
HIDDEN_EMOTION = "neutral"


@dataclass(frozen=True)
class RawCorpus:
    """The download: name -> emotion in the csv's order, name -> video of the two folders in name order."""

    emotions: dict[str, str]
    labelled: dict[str, Path]
    unlabelled: dict[str, Path]


def read_raw(raw_root: Path) -> RawCorpus:
    """Read the download's csv and list its folders.

    Raises:
        UserError: a part is missing (all missing parts are named), or the csv is wrong (names the line).
    """
    missing = [part for part in (LABELLED, UNLABELLED, LABEL_CSV) if not (raw_root / part).exists()]
    if missing:
        raise UserError(
            f"{raw_root} lacks {', '.join(missing)}; give the folder of the MER2024 download as --raw_root "
            "(an empty folder stands for videos you do not have)"
        )
    labelled = {path.stem: path for path in video_files(raw_root / LABELLED)}
    unlabelled = {path.stem: path for path in video_files(raw_root / UNLABELLED)}
    return RawCorpus(read_emotions(raw_root / LABEL_CSV), labelled, unlabelled)


def read_emotions(path: Path) -> dict[str, str]:
    """Name -> emotion from ``label-disdim.csv``, in file order.

    Raises:
        UserError: a column is missing, a name is empty or repeated, or an emotion is unknown (names the line).
    """
    emotions = {}
    for row in read_csv(path, required=("name", "discrete"), unique="name"):
        emotion = row["discrete"].strip()
        if emotion not in EMOS_MER:
            raise UserError(
                f"{path}, line {_line_of(path, row['name'])}: unknown emotion {row['discrete']!r} of clip "
                f"{row['name']!r}; allowed: {', '.join(EMOS_MER)}"
            )
        emotions[row["name"]] = emotion
    if not emotions:
        raise UserError(f"{path}: no labelled clips in it; at least 5 are needed for 5-fold cross-validation")
    return emotions


def _line_of(path: Path, name: str) -> int:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return next(reader.line_num for row in reader if row["name"] == name)


def prepare(raw: RawCorpus, paths: CorpusPaths, link: str = "hard", progress: bool = True) -> BatchReport:
    """Place the videos and write the label file; clips that could not be used are the report's failures.

    A labelled clip without video, and a clip in both folders (as unlabelled clip), is a failure and stays out of the
    label file; a video in ``video-labeled`` without label is a warning and is not used.
    """
    train = {name: raw.labelled[name] for name in raw.emotions if name in raw.labelled}
    test = {name: path for name, path in raw.unlabelled.items() if name not in raw.emotions}
    jobs = [Job(name, path, paths.video / path.name) for name, path in [*train.items(), *test.items()]]
    work = _hard_link if link == "hard" else _copy
    report = run_jobs(jobs, work, "videos", finished=_same_size, progress=progress)
    failed = {name for name, _ in report.failures}
    for name in raw.emotions:
        if name not in raw.labelled:
            report.fail(name, MediaError(f"has a label in {LABEL_CSV} but no video in {LABELLED}"))
        if name in raw.unlabelled:
            report.fail(name, MediaError(f"is labelled, but a video of this name is in {UNLABELLED} too; not in test1"))
    for name in raw.labelled:
        if name not in raw.emotions:
            report.warnings.append((printable(name), f"a video in {LABELLED} without a label in {LABEL_CSV}; not used"))
    report.failures.sort()
    report.warnings.sort()
    write_labels(
        paths.label,
        {
            "train_corpus": {name: _label(raw.emotions[name]) for name in train if printable(name) not in failed},
            "test1_corpus": {name: _label(HIDDEN_EMOTION) for name in test if printable(name) not in failed},
        },
    )
    return report


def _label(emotion: str) -> dict[str, str | int]:
    return {"emo": emotion, "val": MISSING_VALENCE}


def _same_size(job: Job) -> bool:
    return job.target.exists() and job.target.stat().st_size == job.source.stat().st_size


def _hard_link(job: Job, stop: threading.Event) -> str:
    try:
        with atomic.atomic_path(job.target) as part:
            os.link(os.path.realpath(job.source), part)
    except OSError:  # another disk, or a file system without hard links
        return _copy(job, stop)
    return ""


def _copy(job: Job, stop: threading.Event) -> str:
    with atomic.atomic_path(job.target) as part:
        shutil.copyfile(job.source, part)
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw_root", type=Path, help="the download (default: mer2024-dataset/ below the data root)")
    parser.add_argument("--data_root", help="folder that gets mer2024-dataset-process/ (default: MER_DATA_ROOT)")
    parser.add_argument("--link", choices=("hard", "copy"), default="hard", help="how to place videos (default: hard)")
    args = parser.parse_args(argv)
    paths = corpus_paths("MER2024", args.data_root)
    base = Path(args.data_root).expanduser() if args.data_root else default_data_root()
    raw = read_raw((args.raw_root or base / "mer2024-dataset").expanduser())
    paths.root.mkdir(parents=True, exist_ok=True)
    report = prepare(raw, paths, args.link)
    print_report(report, paths.video)
    _print_counts(raw, paths)
    return report.exit_status


def _print_counts(raw: RawCorpus, paths: CorpusPaths) -> None:
    counts = (len(raw.emotions), len(raw.unlabelled))
    print(f"{counts[0]} labelled clips, {counts[1]} unlabelled clips -> {paths.label}")
    if counts != KNOWN_COUNTS:
        print(
            f"this is not the whole MER2024 corpus: that has {KNOWN_COUNTS[0]:,} labelled "
            f"and {KNOWN_COUNTS[1]:,} unlabelled clips"
        )


if __name__ == "__main__":
    run_main(main)
