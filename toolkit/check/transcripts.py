"""The transcript csv: every clip once, with a text."""

from __future__ import annotations

from collections import Counter

from toolkit.check.findings import Part
from toolkit.check.subject import Subject, compare_names, spread
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

LANGUAGES = ("chinese", "english")  # the columns that text features read
MANY = 3  # clips with one text, and share of all clips, from which it is named: speakers do say "yes"
MANY_SHARE = 0.01


def check_transcripts(subject: Subject) -> Part:
    """Read the csv and note its faults."""
    path = subject.paths.transcript
    part = Part("transcripts", "transcripts", str(path))
    if not path.exists():
        part.add("text_file_missing", path.name)
        return part
    try:
        rows = read_csv(path, required=("name",))
    except (UserError, OSError) as error:
        part.add("text_file", path.name, str(error).removeprefix(f"{path}").lstrip(":, "))
        return part
    columns = [column for column in LANGUAGES if rows and column in rows[0]]
    if rows and not columns:
        part.add("text_file", path.name, f"no column {' or '.join(LANGUAGES)}; columns: {', '.join(rows[0])}")
    counts = Counter(row["name"] for row in rows)
    for name, count in counts.items():
        if not name.strip() or name != name.strip():
            part.add("text_name", repr(name), "empty" if not name.strip() else "blanks at its ends")
        elif "/" in name or "\0" in name or name.startswith("."):
            part.add("text_name", repr(name), "cannot be the name of a file")
        if count > 1:
            part.add("text_twice", name, f"{count} rows")
    if not subject.names:
        subject.names, subject.source = tuple(counts), path.name
    compare_names(part, subject, counts, "text_missing", "text_extra")
    part.fact("rows", f"{len(rows):,}")
    for column in columns:
        _texts(part, rows, column)
    return part


def _texts(part: Part, rows: list[dict[str, str]], column: str) -> None:
    lengths, clips = [], {}
    for row in rows:
        text = row[column].strip()
        if not text:
            part.add("text_empty", row["name"], column)
            continue
        lengths.append(len(text))
        clips.setdefault(text, []).append(row["name"])
    if lengths:
        part.fact(column, f"{len(lengths):,} texts; characters {spread(lengths, '', 0)}")
    for text, names in clips.items():
        if len(names) >= max(MANY, MANY_SHARE * len(rows)):
            short = text if len(text) <= 40 else f"{text[:40]}..."
            part.add("text_repeated", min(names), f"{len(names):,} clips: {short!r}")
