"""What a run does about one clip: have it made, note its row, or tell why there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.noise.clip_job import FULL_DISK
from toolkit.noise.damage import Damaged, Unreadable, ffmpeg_words
from toolkit.noise.manifest import ClipRecord, Manifest
from toolkit.preprocess.batch import Job
from toolkit.preprocess.media import MediaError, Stopped
from toolkit.utils.errors import UserError

Make = Callable[[Job, ClipRecord | None, threading.Event], ClipRecord]  # a `ClipMaker`, or its workers


@dataclass(frozen=True)
class ClipWork:
    """One clip of a set and its row in the manifest; the `toolkit.preprocess.batch.Work` of a run.

    Its warnings are the rows' notes. A clip that fails leaves no file, unless its row in the manifest still stands
    (then the file is what the row says).

    Attributes:
        given: rows of the manifest that is repeated, or None.
    """

    make: Make
    manifest: Manifest
    given: dict[str, ClipRecord] | None = None

    def __call__(self, job: Job, stop: threading.Event) -> str:
        try:
            row = self.make(job, None if self.given is None else self.given[job.name], stop)
        except (Stopped, UserError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                reason = "no space left on the disk; make room and give the same command again, finished clips are kept"
                raise OSError(error.errno, f"cannot be written ({reason})", str(job.target)) from error
            if job.name not in self.manifest.rows:  # what lies there is of an earlier run, and nothing states it
                job.target.unlink(missing_ok=True)
            if isinstance(error, (Damaged, Unreadable)):
                raise MediaError(_told(job.source, error, stop)) from error
            raise
        self.manifest.add(row)
        return row.note


def _told(source: Path, error: Exception, stop: threading.Event) -> str:
    """The reason in one line, with ffmpeg's own words."""
    words = ffmpeg_words(source, "" if isinstance(error, Damaged) else str(error), stop)
    if not isinstance(error, Damaged):
        return f"{source}: {words}"
    return f"{source}: {error}" + (f"; ffmpeg: {words}" if words else "")
