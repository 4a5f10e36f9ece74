"""Reading a download's tables: missing parts named at once, wrong values named with file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.preprocess.media import video_files
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def require_parts(raw_root: Path, parts: Sequence[str], corpus: str, hint: str = "") -> None:
    """Check that the download holds all of `parts`.

    Raises:
        UserError: some are missing; the message names all of them.
    """
    missing = [part for part in parts if not (raw_root / part).exists()]
    if missing:
        raise UserError(
            f"{raw_root} lacks {', '.join(missing)}; give the folder of the {corpus} download as --raw_root"
            + (f" ({hint})" if hint else "")
        )


def videos_by_name(folder: Path) -> dict[str, Path]:
    """Name -> video of a folder, in name order.

    Raises:
        UserError: no folder, or two videos of one name.
    """
    return {path.stem: path for path in video_files(folder)}


def read_table(path: Path, required: Sequence[str], unique: str | None = None) -> list[dict[str, str]]:
    """The rows of a download's csv (see `read_csv`), at least one.

    Raises:
        UserError: what `read_csv` refuses, cells that commas do not part, or no row below the header.
    """
    try:
        rows = read_csv(path, required=required, unique=unique)
    except UserError as error:
        if "is missing; columns there" in str(error) and _other_marks(path):
            raise UserError(f"{error}; save it with commas between the cells") from error
        raise
    if not rows:
        raise UserError(f"{path}: no row below the header; unpack or download it again")
    return rows


def _other_marks(path: Path) -> bool:
    """Whether semicolons or tabs, and no commas, part the columns of a csv."""
    with open(path, encoding="utf-8-sig") as file:
        header = file.readline()
    return "," not in header and (";" in header or "\t" in header)


def row_error(path: Path, number: int, text: str) -> UserError:
    """The error `text` about data row `number` (from 0) of a csv, with the line in which the row begins."""
    return UserError(f"{path}, line {_line_of(path, number)}: {text}")


def _line_of(path: Path, number: int) -> int:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader, begin, rows = csv.reader(file), 1, -2
        for cells in reader:
            rows += bool(cells)
            if rows == number:
                break
            begin = reader.line_num + 1
    return begin


def read_emotion(path: Path, number: int, text: str, name: str, allowed: Sequence[str]) -> str:
    """The emotion of a clip, one of `allowed`, blanks at the ends dropped.

    Raises:
        UserError: another word (names the line and the allowed ones).
    """
    if text.strip() not in allowed:
        raise row_error(path, number, f"unknown emotion {text!r} of clip {name!r}; allowed: {', '.join(allowed)}")
    return text.strip()


def read_number(path: Path, number: int, row: Mapping[str, str], column: str, low: float, high: float) -> float:
    """The finite number between `low` and `high` in a column.

    Raises:
        UserError: no number, or outside (names the line).
    """
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and low <= value <= high):
        span = f" from {low:g} to {high:g}" if math.isfinite(high - low) else ", or not finite"
        raise row_error(path, number, f"{column} is {row[column]!r}, not a number{span}")
    return value


def read_index(path: Path, number: int, row: Mapping[str, str], column: str) -> int:
    """The integer, 0 or more, in a column ("0007" and "7" are the same).

    Raises:
        UserError: anything else (names the line).
    """
    if not (row[column].strip().isascii() and row[column].strip().isdigit()):
        raise row_error(path, number, f"{column} is {row[column]!r}, not a number 0, 1, 2, ...")
    return int(row[column])


def read_lines(path: Path) -> list[tuple[int, str]]:
    """(line number, text without blanks at its ends) of the lines of a UTF-8 text file that are not empty.

    Raises:
        UserError: not there, or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it again as UTF-8") from error
    # not splitlines(): a transcript may hold other characters that count as line ends there
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
