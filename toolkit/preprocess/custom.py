"""A corpus of your own: a folder of videos and a csv of labels -> ``<data_root>/<name>-dataset-process/``.

python -m toolkit.preprocess.custom --name MyCorpus --videos clips --labels labels.csv
python -m toolkit.preprocess.custom --name MyCorpus --videos clips --labels labels.csv --data_root /data --link copy
python -m toolkit.preprocess.custom --name MyCorpus --videos clips --labels labels.csv --emotions calm,angry,happy

labels.csv (UTF-8, commas) has the columns name (of the video, with or without extension) and label, or valence (a
number), or both; and if you like split (train, val, test) and transcript. Rows without label in the split test are a
hidden test set. Writes video/, audio/ (16 kHz), label.npz, corpus.yaml and, with transcripts, their csv; every other
command then takes --dataset MyCorpus. Your folder is never changed. The command can be stopped and run again, also
after a change of the csv. More: docs/custom-corpus.md
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from toolkit.data.corpus_file import CorpusFile, write_corpus_file
from toolkit.data.labels import Labels, write_labels
from toolkit.globals import CUSTOM_FILE, CorpusPaths, custom_name_fault, custom_paths
from toolkit.preprocess.audio import split_audio
from toolkit.preprocess.batch import BatchReport, Work, print_report, printable, run_jobs
from toolkit.preprocess.custom_corpus import describe, label_dicts, summary
from toolkit.preprocess.custom_table import Clip, Table, label_set, parse_emotions, read_table, remarks
from toolkit.preprocess.media import VIDEO_SUFFIXES, MediaError, ffmpeg_path, video_files
from toolkit.preprocess.place import LINKS, ClipJob, clip_job, clip_work, is_placed
from toolkit.preprocess.raw_corpus import Clip as VideoClip
from toolkit.utils.errors import UserError, run_main
from toolkit.utils.read_files import write_csv

LANGUAGES = ("chinese", "english")  # columns of a transcript csv
REPLACED = "its video was replaced: the sound is made again; of its faces and features toolkit.check knows"


def place_videos(
    table: Table, videos: dict[str, Path], paths: CorpusPaths, link: str, num_workers: int | None = None
) -> tuple[BatchReport, list[Clip]]:
    """Put the videos of the csv's clips into the corpus; the report, and the clips there, in the csv's order.

    A row without a video is a failure, a video without a row a warning. The sound of a video that is replaced goes.
    """
    rows = {clip.name: clip for clip in table.clips}
    jobs = [clip_job(VideoClip(name, videos[name]), paths.video) for name in rows if name in videos]
    report = run_jobs(
        jobs,
        _replacing(clip_work(link), paths.audio),
        "videos",
        num_workers=num_workers,
        finished=partial(is_placed, link=link),
    )
    failed = {name for name, _ in report.failures}
    for name in rows.keys() - videos.keys():
        report.fail(name, MediaError("has a row in the csv but no video"))
    for name in videos.keys() - rows.keys():
        report.warnings.append((printable(name), "a video without a row in the csv; not used"))
    report.failures.sort()
    report.warnings.sort()
    return report, [rows[job.name] for job in jobs if printable(job.name) not in failed]


def _replacing(place: Work, audio: Path) -> Work:
    """`place`, after the clip's sound in `audio` is removed: it is of another video, which may even be newer."""

    def work(job: ClipJob, stop: threading.Event) -> str:
        wav = audio / f"{job.name}.wav"
        outdated = wav.exists()
        wav.unlink(missing_ok=True)  # first: a run that is killed now places the video, and makes the sound, next time
        return "; ".join(text for text in (place(job, stop), REPLACED if outdated else "") if text)

    return work


def write_corpus(paths: CorpusPaths, corpus: CorpusFile, clips: Sequence[Clip], language: str) -> dict[str, Labels]:
    """Write label file, transcripts (where the csv has them) and, last, ``corpus.yaml``; the labels written."""
    labels = label_dicts(corpus, clips)
    write_labels(paths.label, labels)
    if any(clip.transcript is not None for clip in clips):
        write_csv(paths.transcript, ("name", language), sorted((clip.name, clip.transcript) for clip in clips))
    write_corpus_file(paths.root / CUSTOM_FILE, corpus)
    return labels


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    fault = custom_name_fault(args.name)
    if fault:
        raise UserError(f"--name {args.name!r}: {fault}")
    if args.num_workers is not None and args.num_workers < 1:
        raise UserError(f"--workers {args.num_workers}: must be at least 1")
    ffmpeg_path()  # before any work
    paths = custom_paths(args.name, args.data_root)
    folder, csv = args.videos.expanduser(), args.labels.expanduser()
    videos = {path.stem: path for path in video_files(folder)}
    if not videos:
        raise UserError(f"{folder} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    table = read_table(csv, videos)
    emotions = _emotions(args.emotions, csv, table)
    describe(args.name, table.targets, emotions, [clip for clip in table.clips if clip.name in videos], csv)
    paths.root.mkdir(parents=True, exist_ok=True)
    report, clips = place_videos(table, videos, paths, args.link, args.num_workers)
    print_report(report, paths.video)
    corpus = describe(args.name, table.targets, emotions, clips, csv)  # what is left when clips have failed
    labels = write_corpus(paths, corpus, clips, args.language)
    sound = split_audio(paths.video, paths.audio, num_workers=args.num_workers)
    print_report(sound, paths.audio)
    for remark in [*remarks(emotions, table), *_left_over(paths, clips)]:
        print(f"  note: {remark}")
    texts = [clip.transcript for clip in clips if clip.transcript is not None]
    if texts:
        empty = sum(not text.strip() for text in texts)
        print(f"{len(texts)} transcripts, {empty} of them empty (column {args.language}) -> {paths.transcript}")
    print(summary(corpus, labels))
    print(f"-> {paths.label} and {CUSTOM_FILE}; every command now takes --dataset {corpus.name}")
    return max(report.exit_status, sound.exit_status)


def _emotions(given: str | None, csv: Path, table: Table) -> tuple[str, ...]:
    wanted = parse_emotions(given) if given is not None else None
    if "label" in table.targets:
        return label_set(csv, table.clips, wanted)
    if wanted:
        raise UserError(f"--emotions {given}: {csv} has no column label, so there are no emotions to name")
    return ()


def _left_over(paths: CorpusPaths, clips: Sequence[Clip]) -> list[str]:
    """A remark when the corpus holds videos that the csv does not name (any more)."""
    used = {clip.name for clip in clips}
    left = [path.name for path in video_files(paths.video) if path.stem not in used]
    if not left:
        return []
    shown = ", ".join(map(printable, left[:3]))
    return [
        f"{len(left)} videos of an earlier run are in {paths.video} but not in the corpus ({shown}); remove them there"
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--name", required=True, help="what the corpus is called from now on (letters, digits, _ - .)")
    add("--videos", required=True, type=Path, metavar="DIR", help="folder of the videos")
    add(
        "--labels", required=True, type=Path, metavar="CSV", help="csv: name, label and/or valence[, split, transcript]"
    )
    add("--data_root", help="folder that gets <name>-dataset-process/ (default: MER_DATA_ROOT)")
    add("--emotions", metavar="A,B,...", help="label set in the order of the class indices (default: sorted)")
    add("--language", choices=LANGUAGES, default="chinese", help="column of the transcripts (default: chinese)")
    add("--link", choices=list(LINKS), default="hard", help="how to place videos (default: hard)")
    add(
        "--workers",
        type=int,
        dest="num_workers",
        metavar="N",
        help="clips at the same time (default: cores, at most 8)",
    )
    return parser


if __name__ == "__main__":
    run_main(main)
