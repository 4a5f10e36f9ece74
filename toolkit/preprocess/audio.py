"""The sound of a corpus' videos: ``video/<name>.mp4`` -> ``audio/<name>.wav``, 16 kHz mono PCM16.

python -m toolkit.preprocess.audio --dataset MER2024
python -m toolkit.preprocess.audio --dataset MER2024 --data_root /data --num_workers 8
python -m toolkit.preprocess.audio --dataset MER2024 --limit 10 --overwrite

Finished clips are skipped, so a run can be stopped and started again; sound that is older than its video (another one
has taken its place) is made again. Clips without sound, or that are no videos, are listed at the end and in
audio/failures.csv; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import corpus_paths
from toolkit.preprocess.batch import BatchReport, Job, is_made, print_report, run_jobs
from toolkit.preprocess.command import worker_count
from toolkit.preprocess.media import VIDEO_SUFFIXES, extract_audio_16k, ffmpeg_path, video_files
from toolkit.utils.errors import UserError, run_main

OUTDATED = "its sound was older than the video, and was made again; of its faces and features toolkit.check knows"


def split_audio(
    video_root: Path,
    audio_root: Path,
    *,
    num_workers: int | None = None,
    overwrite: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> BatchReport:
    """Extract ``<audio_root>/<name>.wav`` from every video of `video_root` (the first `limit` in name order).

    A wav that is older than its video is not finished.

    Raises:
        UserError: no folder, no videos, or no ffmpeg.
    """
    ffmpeg_path()  # before any work
    videos = video_files(video_root)[:limit]
    if not videos:
        raise UserError(f"{video_root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    jobs = [Job(video.stem, video, audio_root / f"{video.stem}.wav") for video in videos]
    return run_jobs(
        jobs, _extract, "audio", num_workers=num_workers, finished=is_current, overwrite=overwrite, progress=progress
    )


def is_current(job: Job) -> bool:
    """Whether the wav is there and not older than its video (of a link: than the file it leads to)."""
    return is_made(job) and not _is_older(job)


def _is_older(job: Job) -> bool:
    try:
        return job.target.stat().st_mtime_ns < job.source.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def _extract(job: Job, stop: threading.Event) -> str:
    outdated = is_made(job) and _is_older(job)
    warning = extract_audio_16k(job.source, job.target, stop)
    if _is_older(job):  # a video from the future, by a wrong clock: once is enough
        changed = job.source.stat().st_mtime_ns
        os.utime(job.target, ns=(changed, changed))
    return "; ".join(text for text in (OUTDATED if outdated else "", warning) if text)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", required=True, metavar="NAME", help="e.g. MER2024, or one of your own")
    parser.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    parser.add_argument(
        "--num_workers", type=worker_count, help="clips at the same time (default: one per core, at most 8)"
    )
    parser.add_argument("--overwrite", action="store_true", help="extract finished clips again")
    parser.add_argument("--limit", type=int, help="only the first N clips in name order")
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        parser.error(f"--limit {args.limit} is not at least 1")
    paths = corpus_paths(args.dataset, args.data_root)
    report = split_audio(
        paths.video, paths.audio, num_workers=args.num_workers, overwrite=args.overwrite, limit=args.limit
    )
    print_report(report, paths.audio)
    return report.exit_status


if __name__ == "__main__":
    run_main(main)
