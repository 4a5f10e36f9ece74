"""A whole set: ``<video_root>/<name>.*`` -> ``<save_root>/<name>.mp4`` with its manifest ``noise-info.csv``.

Threads, not processes: ffmpeg's and OpenCV's work releases Python's lock, and one noise pool serves all (measured in
docs/noise.md).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.noise.blur import check_rates
from toolkit.noise.clip_job import ClipWork, Settings
from toolkit.noise.corrupt import VIDEO_CODECS
from toolkit.noise.manifest import MANIFEST_FILE, ClipRecord, Manifest, read_manifest
from toolkit.noise.noise_pool import NoisePool, default_noise_root, open_pool
from toolkit.preprocess.batch import BatchReport, Job, is_made, run_jobs
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils.errors import UserError

DEBUG_CLIPS = 100


def corrupt_videos(
    video_root: Path,
    save_root: Path,
    settings: Settings,
    *,
    noise_root: Path | None = None,
    from_manifest: Path | None = None,
    debug: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchReport:
    """Corrupt every video of `video_root`; finished clips are skipped.

    Args:
        noise_root: default ``tools/musan`` (its folder speech/ if there is one).
        from_manifest: repeat the clips of this ``noise-info.csv`` exactly, with its settings instead of `settings`.
        debug: the first 100 videos only.

    Raises:
        UserError: no videos, no noise, impossible settings, or `save_root` holds clips of other settings.
    """
    if settings.video_codec not in VIDEO_CODECS:
        raise UserError(f"--video_codec {settings.video_codec} is not one of {', '.join(VIDEO_CODECS)}")
    check_rates(settings.blurs)
    _check_folders(video_root, save_root)
    given = None if from_manifest is None else read_manifest(from_manifest)
    videos = video_files(video_root)
    if given is not None:
        videos = _listed_videos(videos, given, video_root, from_manifest)
    if not videos:
        raise UserError(f"{video_root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    videos = videos[:DEBUG_CLIPS] if debug else videos
    jobs = [Job(video.stem, video, save_root / f"{video.stem}.mp4") for video in videos]
    return corrupt_jobs(
        jobs, save_root, settings, noise_root, "corrupt", given, workers=workers, overwrite=overwrite, progress=progress
    )


def corrupt_jobs(
    jobs: Sequence[Job],
    save_root: Path,
    settings: Settings,
    noise_root: Path | None,
    label: str,
    given: dict[str, ClipRecord] | None = None,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchReport:
    """Run the jobs of one set (videos or sounds), keeping the set's manifest.

    Raises:
        UserError: no noise, or the folder holds clips of other settings.
    """
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers} is not at least 1")
    needed = None if given is None else {piece.file for row in given.values() for piece in row.pieces}
    with _pool(save_root, noise_root, needed, workers) as pool:
        manifest = Manifest(save_root / MANIFEST_FILE)
        if overwrite:
            manifest.drop(job.name for job in jobs)
        _check_settings(manifest, settings.cells(pool), given)
        manifest.save()
        work = ClipWork(settings, pool, manifest, given)
        try:
            report = run_jobs(
                jobs,
                work,
                label,
                num_workers=workers,
                finished=lambda job: is_made(job) and job.name in manifest.rows,
                overwrite=overwrite,
                progress=progress,
            )
        finally:
            manifest.save()
    return report


@contextmanager
def _pool(
    save_root: Path, noise_root: Path | None, needed: set[str] | None, workers: int | None
) -> Iterator[NoisePool]:
    """The noise pool; converted noise lies in a hidden folder that goes away with the run (or the next one)."""
    scratch = save_root / f".noise-16k.{os.getpid()}.part"
    if needed is not None and not needed:  # a manifest of silent clips
        yield NoisePool((), {}, "")
        return
    try:
        pool = open_pool(default_noise_root() if noise_root is None else noise_root, scratch, needed, workers)
        print(f"noise: {len(pool.files)} files")
        for note in pool.notes:
            print(f"  {note}")
        save_root.mkdir(parents=True, exist_ok=True)
        yield pool
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_settings(manifest: Manifest, own: tuple[str, ...], given: dict[str, ClipRecord] | None) -> None:
    names = ("seed", "snrs", "blurs", "noise list", "video codec")
    for name, row in manifest.rows.items():
        wanted = own if given is None else (given[name].settings if name in given else row.settings)
        other = [
            f"{what} {old or 'none'} (now {new or 'none'})"
            for what, old, new in zip(names, row.settings, wanted, strict=True)
            if old != new
        ]
        if other:
            raise UserError(
                f"{manifest.path} lists clips made otherwise, e.g. {name}: {'; '.join(other)}; choose another "
                "folder, or delete this one"
            )


def _listed_videos(videos: list[Path], given: dict[str, ClipRecord], root: Path, manifest: Path | None) -> list[Path]:
    """The videos that the manifest lists."""
    missing = sorted(given.keys() - {video.stem for video in videos})
    if missing:
        raise UserError(
            f"{root} lacks {len(missing)} of the {len(given)} clips of {manifest}, the first: {', '.join(missing[:5])}"
        )
    return [video for video in videos if video.stem in given]


def _check_folders(video_root: Path, save_root: Path) -> None:
    if save_root.resolve() == video_root.resolve():
        raise UserError(f"--save_root {save_root} is the folder of the clean videos; choose another one")
