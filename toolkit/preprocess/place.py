"""One clip of a corpus from the download to its place: a link, a copy, or a piece cut out of a longer video."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.preprocess.batch import Job, Work, is_made
from toolkit.preprocess.cut import cut_clip, video_times
from toolkit.preprocess.raw_corpus import Clip
from toolkit.utils import atomic

_TIME_STEP = 2.0  # seconds, the coarsest clock of a file system


@dataclass(frozen=True)
class ClipJob(Job):
    """A job with the clip it makes."""

    clip: Clip


def clip_job(clip: Clip, folder: Path) -> ClipJob:
    """The job that puts `clip` into `folder`: cut clips become mp4, others keep the suffix of their file."""
    suffix = ".mp4" if clip.is_cut else clip.source.suffix
    return ClipJob(clip.name, clip.source, folder / f"{clip.name}{suffix}", clip)


def is_placed(job: ClipJob, link: str = "") -> bool:
    """Whether the clip is there, placed as `link` says ("": in any way); a cut one appears only when it is whole.

    A placed file is its source itself, or has its size and its time of change (to 2 s, which is what FAT keeps). A copy
    counts for "hard", too: where hard links are not possible nothing else is.
    """
    if job.clip.is_cut or not is_made(job):
        return is_made(job)
    if _lies_there(job):
        return True  # the download lies in the very place
    if job.target.is_symlink() or job.target.samefile(job.source):
        kind = "symbolic" if job.target.is_symlink() else "hard"
        return job.target.samefile(job.source) and link in ("", kind)
    found, wanted = job.target.stat(), job.source.stat()
    same = found.st_size == wanted.st_size and abs(found.st_mtime - wanted.st_mtime) <= _TIME_STEP
    return same and link != "symbolic"


def _lies_there(job: ClipJob) -> bool:
    return os.path.realpath(job.source) == os.path.join(os.path.realpath(job.target.parent), job.target.name)


def clip_work(link: str) -> Work:
    """The work that cuts a clip, or places its file as `link` says ("hard", "copy", "symbolic")."""
    place = LINKS[link]

    def work(job: ClipJob, stop: threading.Event) -> str:
        if job.clip.is_cut:
            return cut_clip(job.clip, job.target, stop)
        if _lies_there(job):
            return ""  # the download lies in the very place: nothing may be put over it
        video_times(job.source)  # an unreadable video is found now, not in the middle of the extraction
        place(job.source, job.target)
        return ""

    return work


def _hard_link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source) and not target.is_symlink():
        return  # renaming one name of a file over another of its names would do nothing, and leave both
    try:
        with atomic.atomic_path(target) as part:
            os.link(os.path.realpath(source), part)
    except OSError:  # another disk, or a file system without hard links
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with atomic.atomic_path(target) as part:
        shutil.copyfile(source, part)
        times = source.stat()
        os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))  # by which a later run knows whose copy this is


def _symbolic_link(source: Path, target: Path) -> None:
    with atomic.atomic_path(target) as part:
        os.symlink(os.path.realpath(source), part)


LINKS: dict[str, Callable[[Path, Path], None]] = {"hard": _hard_link, "copy": _copy, "symbolic": _symbolic_link}
