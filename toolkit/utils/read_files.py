"""Reading the small tables of a corpus (transcripts, labels, submissions), with errors that name file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from toolkit.utils import atomic
from toolkit.utils.errors import UserError

_END = "\0"  # a line of our own behind the last one: a quote that is never closed swallows it
_SHOWN = 60  # characters of a value in a message


def read_csv(
    path: Path,
    required: Sequence[str] = (),
    unique: str | None = None,
    fault: Callable[[str], str] | None = None,
) -> list[dict[str, str]]:
    """All rows of a UTF-8 csv (with or without a byte order mark) as text; empty lines are passed over.

    Args:
        path: the file.
        required: columns that must be there.
        unique: a column in which no value may be empty, repeat, or have blanks at its ends.
        fault: what is wrong with a value of that column, "" when nothing is.

    Raises:
        UserError: not there, not UTF-8, a column missing, a row with more or fewer cells than the header, a quote that
            is never closed, or a value of `unique` that cannot be used; the message names the line (where a row
            begins).
    """
    lines = _rows(path)
    _, header = next(lines, (1, []))
    missing = [column for column in required if column not in header]
    if missing:
        raise UserError(f"{path}: column {', '.join(missing)} is missing; columns there: {', '.join(header) or 'none'}")
    rows: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    for line, cells in lines:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells under {len(header)} columns ({', '.join(header)}); "
                'a comma inside a cell needs quotes around the cell: "yes, sir"'
            )
        rows.append(dict(zip(header, cells, strict=True)))
        if unique is not None:
            _check(rows[-1][unique], f"{path}, line {line}", unique, seen, fault)
            seen[rows[-1][unique]] = line
    return rows


def _check(value: str, place: str, column: str, seen: dict[str, int], fault: Callable[[str], str] | None) -> None:
    shown = repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    if not value.strip():
        raise UserError(f"{place}: empty {column}")
    if value in seen:
        raise UserError(f"{place}: {column} {shown} stands already in line {seen[value]}")
    if value != value.strip():
        raise UserError(f"{place}: {column} {shown} has blanks at its ends; remove them")
    if fault is not None and (reason := fault(value)):
        raise UserError(f"{place}: {column} {shown} {reason}")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of the header and of every row that is not empty."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # line ends inside a cell as they are
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it again as UTF-8") from error
    reader = csv.reader(io.StringIO(f"{text}\n{_END}", newline=""))
    line = 1
    while True:
        try:
            cells = next(reader)
        except csv.Error as error:  # a cell of more than 131,072 characters, most of all
            raise UserError(
                f'{path}, line {line}: cannot be read ({error}); is a quote (") opened there and never closed?'
            ) from error
        if cells == [_END]:
            return
        if cells and cells[-1].endswith(f"\n{_END}"):
            raise UserError(f'{path}, line {line}: a quote (") is opened there and never closed')
        if cells or line == 1:
            yield line, cells
        line = reader.line_num + 1


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a UTF-8 csv atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())
