"""A whole set: ``<video_root>/<name>.*`` -> ``<save_root>/<name>.mp4`` with its manifest ``noise-info.csv``.

Clips are made by worker processes (`workers.py`); with one worker, or one clip, in this process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.noise.choices import VIDEO_CODECS, check_blurs, check_snrs
from toolkit.noise.clip_job import ClipMaker, Settings, toolkit_versions
from toolkit.noise.clip_work import ClipWork, Make
from toolkit.noise.manifest import MANIFEST_FILE, ClipRecord, Manifest
from toolkit.noise.noise_files import default_noise_root
from toolkit.noise.noise_pool import NoisePool, open_pool
from toolkit.noise.repeat import listed_clips, read_repeat
from toolkit.noise.set_folder import locked, read_begun, refuse_strays, write_begun
from toolkit.noise.workers import Workers
from toolkit.preprocess.batch import BatchReport, Job, default_workers, is_made, printable, run_jobs
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import RayOptions

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
    ray: RayOptions | None = None,
) -> BatchReport:
    """Corrupt every video of `video_root`; finished clips are skipped.

    Args:
        noise_root: default ``tools/musan`` (its folder speech/ if there is one).
        from_manifest: repeat the clips of this ``noise-info.csv`` exactly, with its settings instead of `settings`.
        debug: the first 100 videos only.
        ray: make the clips on a Ray cluster instead of in processes of this machine.

    Raises:
        UserError: no videos, no noise, impossible settings, or `save_root` holds clips of other settings.
    """
    if settings.video_codec not in VIDEO_CODECS:
        raise UserError(f"--video_codec {settings.video_codec} is not one of {', '.join(VIDEO_CODECS)}")
    check_snrs(settings.snrs, "--snrs")
    check_blurs(settings.blurs, "--blurs")
    _check_folders(video_root, save_root)
    given = None if from_manifest is None else read_repeat(from_manifest, pictures=True)
    videos = list_videos(video_root, debug, from_manifest, given)
    jobs = [Job(video.stem, video, save_root / f"{video.stem}.mp4") for video in videos]
    return corrupt_jobs(
        jobs,
        save_root,
        settings,
        noise_root,
        "corrupt",
        given,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
        ray=ray,
    )


def list_videos(
    root: Path, debug: bool = False, manifest: Path | None = None, given: dict[str, ClipRecord] | None = None
) -> list[Path]:
    """The videos of `root` in name order, or those of them that `given` (the rows of `manifest`) lists.

    Args:
        debug: the first 100 only.

    Raises:
        UserError: there are none, or fewer than the manifest's.
    """
    if not root.is_dir():
        raise UserError(f"--video_root {root} is not a folder")
    videos = video_files(root)
    if given is not None:
        videos = listed_clips(videos, given, f"--video_root {root}", manifest)
    if not videos:
        raise UserError(f"--video_root {root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    return videos[:DEBUG_CLIPS] if debug else videos


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
    ray: RayOptions | None = None,
) -> BatchReport:
    """Run the jobs of one set (videos or sounds), keeping the set's manifest.

    Args:
        given: rows that are repeated (then they decide, not `settings`), or None.
        overwrite: make finished clips again, too. Rows that `given` repeats as they stand are kept until the new ones
            are written, so that a set can be repeated from its own manifest; all others are dropped first.
        ray: make the clips on a Ray cluster.

    Raises:
        UserError: no noise, the folder is in use by another run, or holds clips of other settings or other files.
    """
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers} is not at least 1")
    needed = None if given is None else {piece.file for row in given.values() for piece in row.pieces}
    with locked(save_root), _pool(save_root, noise_root, needed, workers) as pool:
        manifest = Manifest(save_root / MANIFEST_FILE)
        begun = read_begun(save_root)
        todo = {job.name for job in jobs if overwrite or not (is_made(job) and job.name in manifest.rows)}
        if overwrite:
            _drop(manifest, todo, given)
        else:
            refuse_strays(save_root, jobs, begun | manifest.rows.keys(), MANIFEST_FILE)
        _check_settings(manifest, settings.cells(pool), given)
        _drop(manifest, todo, given)
        write_begun(save_root, begun | todo)
        manifest.save()
        maker = ClipMaker(settings, pool, toolkit_versions(settings.video_codec))
        try:
            with _makers(maker, len(todo), workers, ray) as (make, count):
                report = run_jobs(
                    jobs,
                    ClipWork(make, manifest, given),
                    label,
                    num_workers=count,
                    finished=lambda job: job.name not in todo,
                    progress=progress,
                )
        finally:
            manifest.save()
            atomic.remove_orphans(save_root)  # of workers that outlived a killed run by a moment, too
        write_begun(save_root, begun - {job.name for job in jobs})
    known = [(printable(job.name), manifest.rows[job.name].note) for job in jobs if job.name not in todo]
    report.warnings = sorted(report.warnings + [(name, note) for name, note in known if note])
    return report


@contextmanager
def _makers(maker: ClipMaker, clips: int, workers: int | None, ray: RayOptions | None) -> Iterator[tuple[Make, int]]:
    """What makes the clips, and how many at a time: this process, several others, or a Ray cluster."""
    count = max(1, min(clips, default_workers() if workers is None else workers))
    if ray is not None and clips:
        from toolkit.noise.ray_clips import ray_clips

        with ray_clips(maker, clips, ray) as found:
            yield found
    elif count == 1:
        yield maker, 1
    else:
        with Workers(maker, count) as made_by:
            yield made_by, count


def _drop(manifest: Manifest, names: set[str], given: dict[str, ClipRecord] | None) -> None:
    """Forget the rows of these clips, but for those that `given` holds just as they are."""
    manifest.drop(name for name in names if given is None or manifest.rows.get(name) != given.get(name))


@contextmanager
def _pool(
    save_root: Path, noise_root: Path | None, needed: set[str] | None, workers: int | None
) -> Iterator[NoisePool]:
    """The noise pool; converted noise lies in a hidden folder that goes away with the run (or the next one)."""
    scratch = atomic.part_path(save_root / "noise-16k")
    if needed is not None and not needed:  # a manifest of silent clips
        yield NoisePool((), {}, "")
        return
    try:
        pool = open_pool(default_noise_root() if noise_root is None else noise_root, scratch, needed, workers)
        print(f"noise: {len(pool.files)} files")
        for note in pool.notes:
            print(f"  {printable(note)}")
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


def _check_folders(video_root: Path, save_root: Path) -> None:
    if save_root.resolve() == video_root.resolve():
        raise UserError(f"--save_root {save_root} is the folder of the clean videos; choose another one")
