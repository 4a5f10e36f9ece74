"""``preprocess.json`` of a corpus: from what its cut clips and transcripts were made, so that a change is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.preprocess.batch import is_made
from toolkit.preprocess.place import ClipJob
from toolkit.utils import atomic

MADE_FILE = "preprocess.json"


@dataclass
class Made:
    """What earlier runs made.

    Attributes:
        path: the file.
        cuts: clip -> [source file, its bytes, start, end (seconds or None), half].
        transcripts: digest of the transcript csv as it was written; "": not known.
    """

    path: Path
    cuts: dict[str, list[Any]] = field(default_factory=dict)
    transcripts: str = ""

    def plan_cuts(self, jobs: Sequence[ClipJob]) -> None:
        """Remove the clips that were cut out of another file, at other times or from the other half; note what is due.

        Noted before the work: a run that is killed leaves no clip behind that the file tells a wrong story about. A
        clip of which nothing is noted (cut by an older version) is taken as it is.
        """
        for job in jobs:
            if not job.clip.is_cut:
                continue
            clip = job.clip
            due = [clip.source.name, clip.source.stat().st_size, clip.start, clip.end, clip.half]
            if is_made(job) and self.cuts.get(job.name, due) != due:
                job.target.unlink()
            self.cuts[job.name] = due
        self.save()

    def save(self) -> None:
        """Write the file if it would change."""
        if not self.cuts and not self.transcripts:
            return
        text = json.dumps({"cuts": self.cuts, "transcripts": self.transcripts}, indent=0) + "\n"
        if not self.path.is_file() or self.path.read_text(encoding="utf-8", errors="replace") != text:
            atomic.write_text(self.path, text)


def read_made(folder: Path) -> Made:
    """The file of a corpus folder; an absent or damaged one knows nothing."""
    path = folder / MADE_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        cuts, transcripts = found["cuts"], found["transcripts"]
    except (OSError, ValueError, KeyError, TypeError):
        return Made(path)
    return Made(path, cuts if isinstance(cuts, dict) else {}, str(transcripts))


def digest_of(path: Path) -> str:
    """SHA-256 of a file; "" when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
