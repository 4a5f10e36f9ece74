"""The whole check: part after part, labels first (they name the clips), features last (older than their sources?)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.check.faces import check_faces
from toolkit.check.features import check_features, require_folder
from toolkit.check.findings import ERROR, WARNING, Part
from toolkit.check.labels import check_labels
from toolkit.check.sounds import check_sounds
from toolkit.check.subject import Subject
from toolkit.check.transcripts import check_transcripts
from toolkit.check.videos import check_videos
from toolkit.check.workers import Workers
from toolkit.dataloader.corpora import get_corpus
from toolkit.globals import corpus_paths
from toolkit.utils.errors import UserError

KINDS = ("labels", "videos", "audio", "faces", "transcripts", "features")


@dataclass(frozen=True)
class Report:
    """What was found: the parts in order, how many clips there should be and who says so, wall time in seconds."""

    dataset: str
    root: str
    parts: tuple[Part, ...]
    clips: int
    source: str
    quick: bool
    seconds: float

    def count(self, severity: str) -> int:
        """How many findings of `severity` all parts have."""
        return sum(part.count(severity) for part in self.parts)

    def exit_status(self, strict: bool = False) -> int:
        """1 when there are errors, or with `strict` warnings; else 0."""
        return 1 if self.count(ERROR) or (strict and self.count(WARNING)) else 0


def check_corpus(
    dataset: str,
    data_root: str | None = None,
    *,
    features: str = "*",
    kinds: Sequence[str] = KINDS,
    workers: int = 0,
    quick: bool = False,
    progress: bool = True,
) -> Report:
    """Look at everything below the root of `dataset`; nothing is written or changed.

    Args:
        features: pattern of the feature folders to look at.
        kinds: the parts to look at; the labels are read in any case, because they name the clips.
        workers: processes (0: this one).
        quick: containers and headers only: nothing is decoded, sounds and arrays are not read.

    Raises:
        UserError: no such dataset, no such root, a part that does not exist, or a pattern that no feature folder fits.
    """
    started = time.perf_counter()
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UserError(f"--parts {','.join(unknown)}: no such part; choose from {', '.join(KINDS)}")
    paths = corpus_paths(dataset, data_root)
    if not paths.root.is_dir():
        raise UserError(
            f"{paths.root} does not exist; make it with the corpus' preprocess command, or point --data_root "
            "at the folder that holds it"
        )
    if "features" in kinds and features != "*":
        require_folder(paths.features, features)
    subject = Subject(paths, get_corpus(dataset, data_root), quick)
    labels = check_labels(subject)
    parts = [labels] if "labels" in kinds else []
    with Workers(workers, progress) as pool:
        if "videos" in kinds:
            parts.append(check_videos(subject, pool))
        if "audio" in kinds:
            parts.append(check_sounds(subject, pool))
        if "faces" in kinds:
            parts.append(check_faces(subject, pool))
        if "transcripts" in kinds:
            parts.append(check_transcripts(subject))
        if "features" in kinds:
            parts.extend(check_features(subject, pool, features))
    seconds = time.perf_counter() - started
    return Report(dataset, str(paths.root), tuple(parts), len(subject.names), subject.source, quick, seconds)
