"""The label csv of a corpus of the user's own: ``name`` and ``label``, ``valence``, ``split``, ``transcript``.

A row is labelled when all of its target cells (label, valence: those the csv has) are filled, and unlabelled when all
are empty. Unlabelled rows are a hidden test set: they must have the split "test".
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.corpus_file import emotion_fault
from toolkit.globals import MISSING_VALENCE
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

TARGETS = ("label", "valence")
COLUMNS = ("name", *TARGETS, "split", "transcript")
SPLITS = ("train", "val", "test")
MOST_SHOWN = 10  # problems in one message


@dataclass(frozen=True)
class Clip:
    """One row: `name` is that of the video, without extension; `label` and `valence` are None where there is none."""

    name: str
    split: str
    label: str | None = None
    valence: float | None = None
    transcript: str | None = None

    @property
    def labelled(self) -> bool:
        return self.label is not None or self.valence is not None


@dataclass(frozen=True)
class Table:
    """The csv: its clips in file order, its target columns, the columns that mean nothing here."""

    clips: tuple[Clip, ...]
    targets: tuple[str, ...]
    unused: tuple[str, ...]


def read_table(path: Path, videos: Mapping[str, Path]) -> Table:
    """Read and check the csv; `videos` (name -> file) says which endings of a name are a video's extension.

    Raises:
        UserError: a column is missing, or rows are wrong (up to 10 of them are named with their value and the fix).
    """
    _check_header(path)
    rows = read_csv(path, required=("name",), unique="name")
    if not rows:
        raise UserError(f"{path}: no row below the header; one per clip is needed")
    targets = tuple(column for column in TARGETS if column in rows[0])
    if not targets:
        raise UserError(
            f"{path}: neither the column label (emotion corpus) nor the column valence (a number per clip) is there; "
            f"columns there: {', '.join(rows[0])}"
        )
    problems: list[str] = []
    clips: dict[str, Clip] = {}
    for row in rows:
        clip, faults = _clip(row, targets, _video_name(row["name"], videos))
        if clip.name in clips:
            faults.append(f"is the clip {clip.name!r}, which another row names already; keep one of them")
        clips[clip.name] = clip
        problems += [f"{row['name']!r} {fault}" for fault in faults]
    _raise_all(path, problems)
    unused = tuple(column for column in rows[0] if column not in COLUMNS)
    return Table(tuple(clips.values()), targets, unused)


def _check_header(path: Path) -> None:
    """Spreadsheets of many countries write semicolons or tabs; say so instead of "column name is missing".

    A column of ours that is there twice leaves open which one is meant.
    """
    if not path.is_file():
        return  # `read_csv` says it
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    if "," not in header and (";" in header or "\t" in header):
        found = "semicolons" if ";" in header else "tabs"
        raise UserError(f"{path}: the cells are separated by {found}; save it as csv with commas (UTF-8)")
    columns = next(csv.reader([header]), [])
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if twice:
        raise UserError(f"{path}: the column {', '.join(twice)} is there twice; keep one of them, or rename the other")


def _video_name(written: str, videos: Mapping[str, Path]) -> str:
    """The clip that a cell means: with or without its video's extension."""
    stem = Path(written).stem
    if written not in videos and stem in videos and videos[stem].name == written:
        return stem
    return written


def _clip(row: Mapping[str, str], targets: Sequence[str], name: str) -> tuple[Clip, list[str]]:
    """The row as a clip, and what is wrong with it."""
    cells = {column: row[column].strip() for column in targets}
    split = row["split"].strip() if "split" in row else "train"
    faults = []
    if split not in SPLITS:
        faults.append(f"has the split {split!r}; write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    empty = [column for column in targets if not cells[column]]
    if empty and len(empty) < len(targets):
        filled = next(column for column in targets if cells[column])
        faults.append(f"has a {filled} but no {empty[0]}; fill both, or neither (a hidden test clip)")
    elif empty and split != "test":
        faults.append(
            f"has no {empty[0]}, which a clip of the split {split!r} needs; without one it can be in test only"
        )
    valence, fault = _valence(cells.get("valence", ""))
    faults += [fault] if fault else []
    clip = Clip(name, split, cells.get("label") or None, valence, row.get("transcript"))
    return clip, faults


def _valence(cell: str) -> tuple[float | None, str]:
    if not cell:
        return None, ""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        return None, f"has the valence {cell!r}, which is not a number such as -0.5"
    if value == MISSING_VALENCE:
        return None, f"has the valence {cell}, the mark of a missing one; leave the cell empty, or use another scale"
    return value, ""


def label_set(path: Path, clips: Iterable[Clip], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The emotions in order: `wanted`, else those of the csv, sorted (as numbers if all are).

    Raises:
        UserError: a label outside `wanted` or one that no emotion can have, or fewer than two.
    """
    used: dict[str, str] = {}  # label -> the first clip that has it
    for clip in clips:
        if clip.label is not None:
            used.setdefault(clip.label, clip.name)
    if wanted is None:
        emotions = sorted(
            used, key=lambda label: (not _is_number(label), float(label) if _is_number(label) else 0, label)
        )
        if len(emotions) < 2:
            found = f"only the label {emotions[0]!r}" if emotions else "no label at all"
            raise UserError(f"{path}: {found}; an emotion corpus needs at least 2 (name them all with --emotions a,b)")
        faults = [(label, emotion_fault(label)) for label in emotions]
        _raise_all(path, [f"{used[label]!r} has the label {label!r}; {fault}" for label, fault in faults if fault])
        return tuple(emotions)
    outside = [f"{clip!r} has the label {label!r}" for label, clip in used.items() if label not in wanted]
    _raise_all(path, [f"{text}, not one of --emotions {','.join(wanted)}" for text in outside])
    return tuple(wanted)


def parse_emotions(text: str) -> tuple[str, ...]:
    """``"a, b"`` -> ``("a", "b")``.

    Raises:
        UserError: fewer than two, an empty one, one twice, or one that no emotion can have.
    """
    emotions = tuple(part.strip() for part in text.split(","))
    if len(emotions) < 2 or not all(emotions) or len(set(emotions)) < len(emotions):
        raise UserError(f"--emotions {text!r}: give at least two different labels, as in angry,happy")
    for emotion in emotions:
        if fault := emotion_fault(emotion):
            raise UserError(f"--emotions: {emotion!r}: {fault}")
    return emotions


def remarks(emotions: Sequence[str], table: Table) -> list[str]:
    """What in the labels may be a mistake, as sentences."""
    found = []
    if table.unused:
        found.append(f"columns that are not used: {', '.join(table.unused)} (used: {', '.join(COLUMNS)})")
    if emotions and all(map(_is_number, emotions)):
        found.append(
            "all labels are numbers and are taken as names of classes; numbers to predict go in a column valence"
        )
    by_folded: dict[str, list[str]] = {}
    for emotion in emotions:
        by_folded.setdefault(re.sub(r"\s+", " ", emotion.casefold()), []).append(emotion)
    for twins in by_folded.values():
        if len(twins) > 1:
            found.append(f"{' and '.join(map(repr, twins))} are different classes; if that is a slip, mend the csv")
    trained = {clip.label for clip in table.clips if clip.split == "train"}
    untrained = [emotion for emotion in emotions if emotion not in trained]
    if untrained:
        found.append(f"no training clip has the label {', '.join(map(repr, untrained))}")
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _raise_all(path: Path, problems: Sequence[str]) -> None:
    if problems:
        more = f"\n  - and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
        shown = "\n  - ".join(problems[:MOST_SHOWN]) if len(problems) > 1 else problems[0]
        raise UserError(f"{path}: {'several problems:' + chr(10) + '  - ' if len(problems) > 1 else ''}{shown}{more}")
