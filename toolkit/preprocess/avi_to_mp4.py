"""Videos from avi to mp4 (H.264 and AAC), which every program and browser plays."""

from __future__ import annotations

import threading
from pathlib import Path

from toolkit.preprocess.batch import BatchReport, Job, is_made, printable, run_jobs
from toolkit.preprocess.media import MediaError, ffmpeg_path, media_files, run_ffmpeg
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

_TOLERANCE = 0.2  # seconds between the two lengths
# H.264 with 4:2:0 needs even sides: an odd one gets a line more
_ARGUMENTS = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:a", "aac")


def convert_folder(
    video_root: Path, save_root: Path, *, remove_avi: bool = False, overwrite: bool = False, progress: bool = True
) -> BatchReport:
    """Make ``<save_root>/<name>.mp4`` of every ``.avi`` of `video_root`; finished ones are skipped.

    With `remove_avi` an avi goes as soon as this run has made its mp4, without a complaint and as long (to 0.2 s). By
    an mp4 that was there before it stays, with a warning: nobody knows what that one was made from.

    Raises:
        UserError: no such folder, no avi in it, two of one name (``a.avi``, ``a.AVI``), or no ffmpeg.
    """
    ffmpeg_path()  # before any work
    files = media_files(video_root, (".avi",))
    if not files:
        raise UserError(f"{video_root} holds no .avi")
    jobs = [Job(path.stem, path, save_root / f"{path.stem}.mp4") for path in files]
    there = [job for job in jobs if remove_avi and not overwrite and is_made(job)]
    work = _convert_and_remove if remove_avi else _convert
    report = run_jobs(jobs, work, "mp4", overwrite=overwrite, progress=progress)
    for job in there:
        text = f"the avi stays: {job.target.name} was there before this run (--overwrite makes it again)"
        report.warnings.append((printable(job.name), printable(text)))
    report.warnings.sort()
    return report


def _convert(job: Job, stop: threading.Event) -> str:
    with atomic.atomic_path(job.target) as part:
        # The part file's name does not end in .mp4, so the format is named.
        output = [*_ARGUMENTS, "-movflags", "+faststart", "-f", "mp4", f"file:{part}"]
        try:
            complaints = run_ffmpeg(["-y", "-i", f"file:{job.source}", *output], stop)
        except MediaError as error:
            raise MediaError(f"{job.source}: {error}") from error
    return " ".join(complaints.split())


def _convert_and_remove(job: Job, stop: threading.Event) -> str:
    complaints = _convert(job, stop)
    fault = complaints or length_fault(seconds_of(job.source), seconds_of(job.target))
    if fault:
        return f"the avi stays: {fault}"
    job.source.unlink()
    return ""


def length_fault(before: float | None, after: float | None) -> str:
    """Why an mp4 of `after` seconds cannot stand for an avi of `before` seconds (None: unreadable); "" when it can."""
    if before is not None and after is not None and abs(before - after) <= _TOLERANCE:
        return ""
    shown = ["unreadable" if value is None else f"{value:.2f} s" for value in (before, after)]
    return f"its mp4 ({shown[1]}) is not as long as it ({shown[0]})"


def seconds_of(path: Path) -> float | None:
    """Where the last picture packet of `path` ends; None: it cannot be read."""
    import av

    end = None
    try:
        with av.open(f"file:{path}") as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size and packet.dts is not None:
                    time = max(packet.dts, packet.pts if packet.pts is not None else packet.dts)
                    end = max(end or 0.0, float((time + (packet.duration or 0)) * packet.time_base))
    except (av.error.FFmpegError, IndexError):
        return None
    return end
