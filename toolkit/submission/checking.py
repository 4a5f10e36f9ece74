"""Is a submission in order? Every problem with its line, not the first one only."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.submission.tracks import Track
from toolkit.utils.errors import UserError

_BOM = b"\xef\xbb\xbf"
MAX_LISTED = 50  # problems printed; the rest is counted


@dataclass
class Checked:
    """What a submission holds: name -> label, name -> line, and (line, text) of every problem (line 0: the file)."""

    labels: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def check_submission(
    path: Path, track: Track, candidates: Sequence[str] | None = None, labels: Sequence[str] = ()
) -> Checked:
    """Read the csv of a track with a label set; the order of its rows means nothing.

    Args:
        candidates: the names it must have, all of them and no other; None: not checked.
        labels: the label set instead of the track's.

    Raises:
        UserError: there is no such file.
    """
    found = Checked()
    rows = _rows(path, found)
    if rows is None:
        return found
    if rows and tuple(rows[0][1]) != track.header:
        found.problems.append((1, _header_problem(rows[0][1], track)))
    if not rows:
        found.problems.append((1, f"the file is empty; its first line must be {','.join(track.header)}"))
    for line, cells in rows[1:]:
        _check_row(found, line, cells, tuple(labels) or track.labels)
    if rows and not found.lines:
        found.problems.append((0, "no sample below the header"))
    found.problems += name_problems(found.lines, candidates)
    found.problems.sort()
    return found


def name_problems(lines: dict[str, int], candidates: Sequence[str] | None) -> list[tuple[int, str]]:
    """Names that are missing from, and too many in, a file with these names and their `lines`."""
    if candidates is None:
        return []
    wanted = set(candidates)
    problems = [(0, f"{name!r} is missing") for name in candidates if name not in lines]
    return problems + [(line, f"{name!r} is no candidate") for name, line in lines.items() if name not in wanted]


def byte_problems(data: bytes) -> list[tuple[int, str]]:
    """What a reader that knows only plain UTF-8 text stumbles over."""
    if data.startswith(_BOM):
        return [(1, "a byte order mark before the header: readers take it for a part of the first column's name")]
    return []


def _rows(path: Path, found: Checked) -> list[tuple[int, list[str]]] | None:
    """(line where it begins, cells) of every row that is not empty; notes what is no plain csv, None: no text."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found.problems.append((line, f"not UTF-8 (byte {error.start}); save it again as UTF-8"))
        return None
    found.problems += byte_problems(data)
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for cells in reader:
            if cells:
                rows.append((begin, cells))
            elif text.strip():
                found.problems.append((begin, "an empty line"))
            begin = reader.line_num + 1
    except csv.Error as error:
        hint = "is a double quote left open, or one inside a cell not written twice?"
        found.problems.append((begin, f"not a csv from here on ({error}); {hint}"))
    return rows


def _header_problem(cells: list[str], track: Track) -> str:
    wanted = ",".join(track.header)
    if len(cells) == 1 and any(mark in cells[0] for mark in ";\t"):
        return f"the header is {cells[0]!r}, not {wanted}: save it with commas"
    return f"the header is {','.join(cells)!r}, not {wanted!r}"


def _check_row(found: Checked, line: int, cells: list[str], labels: tuple[str, ...]) -> None:
    if len(cells) != 2:
        found.problems.append((line, f"{len(cells)} cells instead of 2"))
        return
    name, label = cells
    if not name.strip():
        found.problems.append((line, "empty name"))
        return
    if name != name.strip():
        found.problems.append((line, f"name {name!r} has blanks at its ends"))
        name = name.strip()
    if name in found.lines:
        found.problems.append((line, f"{name!r} stands already in line {found.lines[name]}"))
        return
    found.lines[name], found.labels[name] = line, label
    if label not in labels:
        found.problems.append((line, f"{name}: {_label_problem(label, labels)}"))


def _label_problem(label: str, labels: tuple[str, ...]) -> str:
    if not label.strip():
        return "empty label"
    if label.strip() in labels:
        return f"label {label!r} has blanks at its ends"
    close = difflib.get_close_matches(label.strip().lower(), labels, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(labels)}"
    return f"unknown label {label!r}; {hint}"


def print_problems(path: Path, problems: Sequence[tuple[int, str]]) -> None:
    """``FILE, line 7: error: ...``, the first `MAX_LISTED`."""
    for line, text in problems[:MAX_LISTED]:
        print(f"{path}{f', line {line}' if line else ''}: error: {text}")
    if len(problems) > MAX_LISTED:
        print(f"{path}: ... and {len(problems) - MAX_LISTED:,} more errors")
