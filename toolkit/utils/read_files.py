"""Reading the small tables of a corpus (transcripts, labels, submissions), with errors that name file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.utils import atomic
from toolkit.utils.errors import UserError


def read_csv(path: Path, required: Sequence[str] = (), unique: str | None = None) -> list[dict[str, str]]:
    """All rows of a UTF-8 csv (with or without a byte order mark) as text; missing cells are "".

    Args:
        path: the file.
        required: columns that must be there.
        unique: a column in which no value may be empty or repeat.

    Raises:
        UserError: not there, not UTF-8, a column missing, or a repeated value (names both lines).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it again as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in required if column not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(reader.fieldnames or ()) or "none"
        raise UserError(f"{path}: column {', '.join(missing)} is missing; columns there: {found}")
    rows: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    for row in reader:
        rows.append({key: (value or "") for key, value in row.items() if isinstance(key, str)})
        if unique is None:
            continue
        value = rows[-1][unique]
        if not value:
            raise UserError(f"{path}, line {reader.line_num}: empty {unique}")
        if value in seen:
            raise UserError(f"{path}, line {reader.line_num}: {unique} {value!r} stands already in line {seen[value]}")
        seen[value] = reader.line_num
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a UTF-8 csv atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())
