"""Scoring by the emotion wheels that the MER2025 and MER2026 releases publish; the files are read, not shipped.

A label (surface form) leads to base words (``format.csv``), these to wheel labels (``synonym.xlsx``: eight lists of
synonyms per wheel label), and a wheel (``wheel1.xlsx`` to ``wheel5.xlsx``) puts wheel labels into clusters at two
levels. All text is lower-cased and stripped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.openset.samples import Samples
from toolkit.openset.scoring import SampleScore, score_sample
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

WHEELS = tuple(f"wheel{number}" for number in range(1, 6))
LEVELS = (1, 2)


@dataclass(frozen=True)
class WheelScore:
    """Means over the samples that keep a true label; `f` is the harmonic mean of these means."""

    precision: float
    recall: float
    f: float
    samples: tuple[SampleScore, ...] = ()


@dataclass(frozen=True)
class PublishedWheels:
    """The compiled files: form -> words, word -> wheel labels (sorted), wheel -> level -> wheel label -> cluster."""

    words: Mapping[str, tuple[str, ...]]
    wheel_labels: Mapping[str, tuple[str, ...]]
    wheels: Mapping[str, Mapping[int, Mapping[str, str]]]

    def knows(self, label: str) -> bool:
        """Whether the label is one of the surface forms."""
        return label in self.words

    def cluster(self, label: str, wheel: str, level: int) -> str | None:
        """The cluster of the first wheel label (in alphabetical order) that the wheel has, None without one."""
        known = self.wheels[wheel][level]
        reached = {name for word in self.words.get(label, ()) for name in self.wheel_labels.get(word, ())}
        return next((known[name] for name in sorted(reached) if name in known), None)

    def first_word(self, label: str) -> str | None:
        """The diagnostic `case1`: the first base word, no wheel."""
        return next(iter(self.words.get(label, ())), None)

    def first_wheel_label(self, label: str) -> str | None:
        """The diagnostic `case2`: the first wheel label of the first base word, no wheel."""
        word = self.first_word(label)
        return next(iter(self.wheel_labels.get(word, ())), None) if word is not None else None


def load_wheels(root: Path) -> PublishedWheels:
    """Read the published files of `root`.

    Raises:
        UserError: a file or a column is missing, or a file is damaged.
    """
    if not root.is_dir():
        raise UserError(f"--wheel_root {root}: no such folder; it holds format.csv, synonym.xlsx and wheel1..5.xlsx")
    words: dict[str, set[str]] = {}
    for row in read_csv(root / "format.csv", ("name", "format")):
        name = row["name"].strip().lower()
        for form in (name, *_split(row["format"])):
            words.setdefault(form, set()).add(name)
    labels: dict[str, set[str]] = {}
    for name, synonyms in _synonyms(root / "synonym.xlsx"):
        for word in (name, *synonyms):
            labels.setdefault(word, set()).add(name)
    wheels = {wheel: _read_wheel(root / f"{wheel}.xlsx") for wheel in WHEELS}
    return PublishedWheels(_sorted(words), _sorted(labels), wheels)


def score_wheel(samples: Samples, wheels: PublishedWheels, wheel: str, level: int) -> WheelScore:
    """Precision and recall of the clusters of one wheel at level 1 or 2."""
    return score_clusters(samples, lambda label: wheels.cluster(label, wheel, level))


def score_clusters(samples: Samples, cluster: Callable[[str], str | None]) -> WheelScore:
    """Labels without a cluster are dropped on both sides; samples that lose all true labels are not counted."""
    memory: dict[str, str | None] = {}
    scored = []
    for name, truth in samples.gt.items():
        for label in (*truth, *samples.pred[name]):
            if label not in memory:
                memory[label] = cluster(label)
        kept = [memory[label] for label in truth if memory[label] is not None]
        guess = [memory[label] for label in samples.pred[name] if memory[label] is not None]
        if kept:
            scored.append(score_sample(name, kept, guess, {}))
    if not scored:
        return WheelScore(0.0, 0.0, 0.0)
    precision = float(np.mean([sample.accuracy for sample in scored]))
    recall = float(np.mean([sample.recall for sample in scored]))
    total = precision + recall
    return WheelScore(precision, recall, 2 * precision * recall / total if total else 0.0, tuple(scored))


def mean_of_wheels(scores: Sequence[WheelScore]) -> WheelScore:
    """Precision, recall and F, each averaged over the wheels: the releases' figures (level 1 is their main one)."""
    return WheelScore(
        *(float(np.mean([getattr(score, key) for score in scores])) for key in ("precision", "recall", "f"))
    )


# ---------------------------------------------------------------- reading


def _sorted(table: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(sorted(values)) for key, values in table.items() if key}


def _split(text: str | None) -> list[str]:
    return [part.strip().lower() for part in (text or "").split(",") if part.strip()]


def _sheet(path: Path) -> list[tuple[str | None, ...]]:
    """The rows of the first sheet as text, lower-cased and stripped; blank cells are None."""
    from openpyxl import load_workbook

    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except Exception as error:  # openpyxl raises whatever its zip and xml readers meet
        raise UserError(f"{path}: not a readable xlsx ({error}); download it again") from error
    return [tuple((str(cell).strip().lower() or None) if cell is not None else None for cell in row) for row in rows]


def _columns(path: Path, header: Sequence[str | None], needed: Sequence[str]) -> list[int]:
    missing = [name for name in needed if name not in header]
    if missing:
        there = ", ".join(str(name) for name in header)
        raise UserError(f"{path}: column {', '.join(missing)} is missing; columns there: {there}")
    return [header.index(name) for name in needed]


def _synonyms(path: Path) -> list[tuple[str, list[str]]]:
    rows = _sheet(path)
    header = rows[0] if rows else ()
    runs = [name.removeprefix("word_") for name in header if name and name.startswith("word_")] or ["run1"]
    found = []
    for run in runs:
        word, synonym = _columns(path, header, (f"word_{run}", f"synonym_{run}"))
        found += [(row[word], _split(row[synonym])) for row in rows[1:] if row[word]]
    return found


def _read_wheel(path: Path) -> dict[int, dict[str, str]]:
    """level -> label -> cluster. A blank cell repeats the one above; of a label's several places the last counts."""
    rows = _sheet(path)
    places = _columns(path, rows[0] if rows else (), ("level1", "level2", "level3"))
    level1: dict[str, str] = {}
    level2: dict[str, str] = {}
    below: dict[str, set[str]] = {}
    first = second = None
    for row in rows[1:]:
        first, second, third = row[places[0]] or first, row[places[1]] or second, row[places[2]]
        if first is None or second is None:
            raise UserError(f"{path}: the first row names no level1 or level2")
        level1.update({label: first for label in (first, second, third) if label})
        level2.update({label: second for label in (second, third) if label})
        below.setdefault(first, set()).add(second)
    # A level-1 label has no level-2 cluster of its own: the release takes the first one below it.
    for label, clusters in below.items():
        level2.setdefault(label, min(clusters))
    return {1: level1, 2: level2}
