"""What is checked: the places of a corpus, its row in the table, and the names that its clips should have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toolkit.check.findings import Part
from toolkit.dataloader.corpora import Corpus
from toolkit.globals import CorpusPaths

LENGTH_TOLERANCE = (0.2, 0.05)  # seconds, and share of the longer one: what two lengths of a clip may differ by


@dataclass
class Subject:
    """A corpus root under check, filled as the check goes on.

    Attributes:
        names: clips that should be there, in order; empty while nobody knows.
        source: where the names come from, for sentences ("label-6way.npz").
        sounds: clip -> seconds of sound in its video (of pictures where the sound is not known).
        frames: clip -> frames in its video.
        changed: part ("video", "audio", "face") -> clip -> time of change of its file.
    """

    paths: CorpusPaths
    corpus: Corpus | None
    quick: bool = False
    names: tuple[str, ...] = ()
    source: str = ""
    sounds: dict[str, float] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    changed: dict[str, dict[str, float]] = field(default_factory=dict)


def list_files(folder: Path, suffixes: Sequence[str]) -> tuple[dict[str, list[Path]], list[str]]:
    """(clip -> its files with one of `suffixes`, names of the other visible files), in name order."""
    found: dict[str, list[Path]] = {}
    others = []
    with os.scandir(folder) as entries:  # a link to nothing stays in the list: it is a file that cannot be read
        files = {entry.name: entry.is_file() or entry.is_symlink() for entry in entries if entry.name[0] != "."}
    for file in sorted(files):
        name, suffix = os.path.splitext(file)
        if suffix.lower() in suffixes and files[file]:
            found.setdefault(name, []).append(folder / file)
        else:
            others.append(file)
    return found, others


def why_unreadable(error: Exception, path: Path) -> str:
    """numpy's words about a file, without the path, and without its advice to unpickle what is no array."""
    words = " ".join(str(error).split()) or type(error).__name__
    if "pickle" in words:
        return "no .npy array"
    return "cut short" if "mmap length" in words else words.replace(str(path), path.name)


def compare_names(part: Part, subject: Subject, there: Iterable[str], missing: str, extra: str) -> None:
    """Note the clips that should be `there` and are not, and those that are there and should not."""
    there = set(there)
    expected = set(subject.names)
    for name in expected - there:
        part.add(missing, name)
    for name in there - expected:
        part.add(extra, name)


def lengths_differ(one: float, other: float) -> bool:
    """Whether two lengths in seconds differ by more than 0.2 s and by more than 5% of the longer one."""
    seconds, share = LENGTH_TOLERANCE
    return abs(one - other) > max(seconds, share * max(one, other))


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """``min 1.20 s, median 3.40 s, max 9.80 s``."""
    low, middle, high = np.min(values), np.median(values), np.max(values)
    return ", ".join(
        f"{word} {value:.{digits}f} {unit}".rstrip()
        for word, value in (("min", low), ("median", middle), ("max", high))
    )


def census(counts: dict[str, int], most: int = 6) -> str:
    """``h264 (58), mpeg4 (2)``: the most frequent values with their counts, and how many more there are."""
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    if len(ranked) == 1:
        return ranked[0][0]
    text = ", ".join(f"{value} ({count:,})" for value, count in ranked[:most])
    rest = ranked[most:]
    return text + (f", {len(rest)} more ({sum(count for _, count in rest):,})" if rest else "")
