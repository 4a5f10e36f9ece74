"""``noise-info.csv``: what was done to every clip of a set, written as clips finish, enough to do it again."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from toolkit.noise.draw import Piece
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv

MANIFEST_FILE = "noise-info.csv"


@dataclass(frozen=True)
class ClipRecord:
    """One row; all values as text, numbers in Python's shortest exact form, "" where there is none.

    Attributes:
        video_name: the clip's name.
        audio_snr: drawn SNR in dB; "" when silent speech was kept as it is.
        audio_noises: JSON list of [file, start, samples]: noise files (relative to the noise root) and the parts used,
            in samples at 16 kHz.
        video_blur: blur rate (1 = sharp); "" in audio sets.
        source: the clip's file name.
        source_digest: BLAKE2b-128 of that file; "" in manifests of older versions.
        noise_gain: factor on the noise samples.
        measured_snr: dB, of the mixed int16 samples before AAC; "inf" when the noise rounded to nothing.
        clip_scale: factor that made the sum fit into int16; 1.0 when it did.
        noise_tries: cuts drawn until one was not silent.
        samples: length of the sound at 16 kHz.
        frames: pictures written; "" in audio sets.
        video_codec: how the pictures were asked for, and written: "copy_when_sharp/copy".
        seed, snrs, blurs: the run's settings.
        noise_list: digest of the noise list (see `draw.py`), first 16 digits.
        versions: of the toolkit and the libraries that made the files.
        note: what is odd about the clip (silent speech, say); usually "".
    """

    video_name: str
    audio_snr: str
    audio_noises: str
    video_blur: str
    source: str
    source_digest: str
    noise_gain: str
    measured_snr: str
    clip_scale: str
    noise_tries: str
    samples: str
    frames: str
    video_codec: str
    seed: str
    snrs: str
    blurs: str
    noise_list: str
    versions: str
    note: str

    @property
    def settings(self) -> tuple[str, ...]:
        """What must be equal among the clips of one set."""
        return (self.seed, self.snrs, self.blurs, self.noise_list, self.video_codec.partition("/")[0])

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The noise parts.

        Raises:
            UserError: the cell is damaged.
        """
        try:
            return tuple(
                Piece(str(file), int(start), int(count)) for file, start, count in json.loads(self.audio_noises)
            )
        except (ValueError, TypeError) as error:
            raise UserError(f"clip {self.video_name}: audio_noises {self.audio_noises!r} is damaged") from error

    @property
    def snr(self) -> int:
        """audio_snr; 0 for silent speech, which has none."""
        return self._number("audio_snr", int, 0)

    @property
    def blur(self) -> int:
        """video_blur; 1 in audio sets."""
        return self._number("video_blur", int, 1)

    @property
    def gain(self) -> float:
        """noise_gain; 0 for silent speech."""
        return self._number("noise_gain", float, 0.0)

    @property
    def tries(self) -> int:
        """noise_tries; 0 for silent speech."""
        return self._number("noise_tries", int, 0)

    def _number(self, column: str, kind: type, missing: float) -> Any:
        text = getattr(self, column)
        try:
            return kind(text) if text else missing
        except ValueError as error:
            raise UserError(f"clip {self.video_name}: {column} {text!r} is no number") from error


COLUMNS = tuple(field.name for field in fields(ClipRecord))
_LATER = ("note", "source_digest")  # columns that the first manifests did not have


def pieces_cell(pieces: Iterable[Piece]) -> str:
    """The cell audio_noises."""
    return json.dumps([[piece.file, piece.start, piece.samples] for piece in pieces])


def read_rows(path: Path) -> list[tuple[int, ClipRecord]]:
    """(line, row) of a manifest; of rows that repeat a name only the last.

    Raises:
        UserError: not there, not UTF-8, columns missing, a row without a name.
    """
    rows: dict[str, tuple[int, ClipRecord]] = {}
    line = 2  # below the header
    for row in read_csv(path, [column for column in COLUMNS if column not in _LATER]):
        record = ClipRecord(**{column: row.get(column, "") for column in COLUMNS})
        if not record.video_name:
            raise UserError(f"{path}, line {line}: empty video_name")
        rows.pop(record.video_name, None)
        rows[record.video_name] = (line, record)
        line += 1 + sum(cell.count("\n") for cell in row.values())
    return list(rows.values())


def read_manifest(path: Path) -> dict[str, ClipRecord]:
    """The rows of a manifest by clip name; see `read_rows`."""
    return {row.video_name: row for _, row in read_rows(path)}


def mend(path: Path) -> None:
    """Cut off the last row where a kill or a full disk left only a part of it."""
    text = path.read_text(encoding="utf-8-sig")
    if text.endswith("\n") and text.count('"') % 2 == 0:
        return
    whole = text[: text.rfind("\n") + 1]
    while whole.count('"') % 2:  # the row began lines before: its name holds a line break
        whole = whole[: whole.rfind("\n", 0, -1) + 1]
    if len(next(csv.reader(io.StringIO(text[len(whole) :], newline="")))) < len(COLUMNS):
        atomic.write_text(path, whole)


class Manifest:
    """The manifest of a running job; `add` may be called from any thread, a kill tears at most the last row.

    `save` must be called before the first `add`: it writes the header, and mends what a kill left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.rows: dict[str, ClipRecord] = {}
        if path.exists():
            mend(path)
            if path.stat().st_size:
                self.rows = read_manifest(path)

    def drop(self, names: Iterable[str]) -> None:
        """Forget rows (their clips will be made again)."""
        for name in names:
            self.rows.pop(name, None)

    def save(self) -> None:
        """Write the header and all rows, sorted by name, atomically."""
        with self._lock:
            write_csv(self.path, COLUMNS, [_cells(self.rows[name]) for name in sorted(self.rows)])

    def add(self, row: ClipRecord) -> None:
        """Append one row at once; it counts instead of an earlier one of the same clip."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(_cells(row))
        with self._lock:
            self.rows[row.video_name] = row
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())


def _cells(row: ClipRecord) -> list[str]:
    return [getattr(row, column) for column in COLUMNS]
