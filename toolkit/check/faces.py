"""The face arrays of a corpus: there, of the right form, not empty, with most frames of the video."""

from __future__ import annotations

import functools
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.check.findings import Part
from toolkit.check.subject import Subject, census, spread, why_unreadable
from toolkit.check.workers import Failed, Workers
from toolkit.utils.errors import UserError
from toolkit.utils.failures import FAILURES_FILE
from toolkit.utils.read_files import read_csv

FEW_FRAMES = 0.5  # share of frames with a face, below which a clip is named


@dataclass
class FaceFacts:
    """What the array of a clip is.

    Attributes:
        faces: how many; None: not such an array.
        rows, found: rows of the csv beside it, and those of them in which a face was seen (None: no csv).
        last_frame: highest frame number of the csv, from 0.
    """

    changed: float = 0.0
    faces: int | None = None
    size: str = ""
    rows: int | None = None
    found: int | None = None
    last_frame: int = -1
    faults: tuple[tuple[str, str], ...] = ()


def probe_faces(path: str | os.PathLike, look: bool = True) -> FaceFacts:
    """The header of ``<name>.npy`` and, with `look`, three of its pictures and the csv beside it."""
    path, facts = Path(path), FaceFacts()
    try:
        facts.changed = path.stat().st_mtime
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        facts.faults = (("face_unreadable", why_unreadable(error, path)),)
        return facts
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        facts.faults = (("face_shape", found),)
        return facts
    facts.faces = len(array)
    if facts.faces:
        facts.size = f"{array.shape[1]}x{array.shape[2]}"
    if look:
        black = sum(not array[index].any() for index in sorted({0, len(array) // 2, len(array) - 1}) if len(array))
        if black:
            facts.faults = (("face_black", f"{black} of the first, middle and last picture"),)
        _read_rows(path.with_suffix(".csv") if path.suffix == ".npy" else path, facts)
    return facts


def _read_rows(table: Path, facts: FaceFacts) -> None:
    """Our csv has a row per face that is kept (confidence empty: interpolated); OpenFace's a row per frame."""
    if not table.is_file():
        return
    try:
        rows = [{key.strip(): cell.strip() for key, cell in row.items()} for row in read_csv(table)]
        frames = [int(float(row["frame"])) for row in rows] if rows and "frame" in rows[0] else []
    except (UserError, ValueError) as error:
        facts.faults += (("face_csv", str(error).removeprefix(f"{table}").lstrip(":, ")),)
        return
    facts.rows = len(rows)
    facts.last_frame = max(frames, default=-1)
    facts.found = sum(row.get("success", "1") not in ("0", "0.0") for row in rows)


def check_faces(subject: Subject, workers: Workers) -> Part:
    """Look at every face array of the corpus."""
    folder = subject.paths.face
    part = Part("faces", "faces", str(folder))
    if not folder.is_dir():
        part.add("face_folder", str(folder))
        return part
    reasons = _reasons(folder)
    there, empty_folders = _listed(folder)
    _compare(part, subject, there, reasons, empty_folders)

    totals = _Totals()
    changed = subject.changed.setdefault("face", {})
    probe = functools.partial(probe_faces, look=not subject.quick)
    for path, facts in workers.each(probe, [str(folder / name / f"{name}.npy") for name in there], "faces"):
        name = Path(path).parent.name
        if isinstance(facts, Failed):
            part.add("check_failed", name, facts.reason)
            continue
        changed[name] = facts.changed
        for code, detail in facts.faults:
            part.add(code, name, detail)
        if facts.changed < subject.changed.get("video", {}).get(name, 0.0):
            part.add("face_stale", name)
        if facts.faces is not None:
            totals.add(facts)
            _count(part, subject, name, facts, totals)
    totals.tell(part, len(there))
    return part


def _listed(folder: Path) -> tuple[list[str], set[str]]:
    """(clips with an array, clips with a folder and no array)."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    there = [name for name in names if os.path.lexists(folder / name / f"{name}.npy")]
    return there, set(names) - set(there)


def _reasons(folder: Path) -> dict[str, str]:
    """Why clips have no faces, as the face step wrote it down."""
    try:
        return {row["name"]: row["reason"] for row in read_csv(folder / FAILURES_FILE, ("name", "reason"))}
    except UserError:
        return {}


def _compare(part: Part, subject: Subject, there: list[str], reasons: dict[str, str], bare: set[str]) -> None:
    expected = set(subject.names)
    for name in expected - set(there):
        part.add("face_missing", name, reasons.get(name, "its folder holds no array" if name in bare else ""))
    for name in set(there) - expected:
        part.add("face_extra", name)


def _count(part: Part, subject: Subject, name: str, facts: FaceFacts, totals: _Totals) -> None:
    if facts.faces == 0:
        part.add("face_empty", name)
        totals.frames += subject.frames.get(name, 0)
        return
    if facts.rows is not None and facts.rows < (facts.faces or 0):
        part.add("face_csv", name, f"{facts.rows} rows for {facts.faces} faces")
    # OpenFace's csv has a row for every frame; ours does not, so the video's count is asked first
    per_frame = facts.rows is not None and facts.found is not None and facts.found < facts.rows
    frames = subject.frames.get(name) or max(facts.rows or 0, facts.last_frame + 1)
    seen = facts.found if per_frame and facts.found is not None else facts.faces or 0
    if not frames:
        return
    totals.frames += frames
    totals.seen += min(seen, frames)
    if seen < FEW_FRAMES * frames:
        part.add("face_few", name, f"{seen:,} of {frames:,} frames have a face")


class _Totals:
    """Sums over all clips."""

    def __init__(self) -> None:
        self.faces: list[int] = []
        self.sizes: Counter[str] = Counter()
        self.frames = self.seen = 0

    def add(self, facts: FaceFacts) -> None:
        self.faces.append(facts.faces or 0)
        if facts.size:
            self.sizes[facts.size] += 1

    def tell(self, part: Part, count: int) -> None:
        part.fact("files", f"{count:,}, {len(self.faces):,} readable")
        if self.faces:
            part.fact("faces", f"{sum(self.faces):,} in all; per clip {spread(self.faces, '', 0)}")
            part.fact("size", census(self.sizes) or "no face at all")
        if self.frames:
            part.fact("frames without a face", f"{1 - self.seen / self.frames:.1%} of {self.frames:,}")
