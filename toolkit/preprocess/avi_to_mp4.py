"""Videos from avi to mp4 (H.264 and AAC), which every program and browser plays."""

from __future__ import annotations

import threading
from pathlib import Path

from toolkit.preprocess.batch import BatchReport, Job, run_jobs
from toolkit.preprocess.media import MediaError, ffmpeg_path, run_ffmpeg
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

_TOLERANCE = 0.2  # seconds between the two lengths
# H.264 with 4:2:0 needs even sides: an odd one gets a line more
_ARGUMENTS = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:a", "aac")


def convert_folder(
    video_root: Path, save_root: Path, *, remove_avi: bool = False, overwrite: bool = False, progress: bool = True
) -> BatchReport:
    """Make ``<save_root>/<name>.mp4`` of every ``.avi`` of `video_root`; finished ones are skipped.

    With `remove_avi` the avi goes when its mp4 is there, is as long (to 0.2 s) and was made without a complaint.

    Raises:
        UserError: no such folder, no avi in it, or no ffmpeg.
    """
    ffmpeg_path()  # before any work
    if not video_root.is_dir():
        raise UserError(f"{video_root} is not a folder")
    files = sorted(path for path in video_root.iterdir() if path.suffix.lower() == ".avi" and path.name[0] != ".")
    if not files:
        raise UserError(f"{video_root} holds no .avi")
    jobs = [Job(path.stem, path, save_root / f"{path.stem}.mp4") for path in files]
    report = run_jobs(jobs, _convert, "mp4", overwrite=overwrite, progress=progress)
    if remove_avi:
        kept = {name for name, _ in [*report.failures, *report.warnings]}
        for job in jobs:
            if job.name not in kept:
                _remove(job, report)
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


def _remove(job: Job, report: BatchReport) -> None:
    before, after = seconds_of(job.source), seconds_of(job.target)
    if before is None or after is None or abs(before - after) > _TOLERANCE:
        shown = ["unreadable" if value is None else f"{value:.2f} s" for value in (before, after)]
        report.warnings.append((job.name, f"the avi ({shown[0]}) stays: its mp4 ({shown[1]}) is not as long"))
        return
    job.source.unlink()


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
