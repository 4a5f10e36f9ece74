"""The two csvs of open-vocabulary scoring (columns name, openset), read with line numbers and joined by name."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.openset.labels import LabelError, check_parser, read_labels
from toolkit.utils.errors import UserError

COLUMNS = ("name", "openset")
MAX_LISTED = 10  # problems, or names, printed in full


@dataclass(frozen=True)
class Inspection:
    """What a csv holds: cells and labels per name in file order, and (line, text) of each problem and each doubt."""

    path: Path
    cells: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    doubts: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Samples:
    """Samples to score in name order: true and predicted labels per name, and the names that do not match up."""

    gt: dict[str, tuple[str, ...]]
    pred: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]  # in gt only: scored as an empty prediction
    extra: tuple[str, ...]  # in the prediction only: not scored
    empty_gt: tuple[str, ...]  # without a true label: recall is not defined, not scored

    def asked(self, name: str) -> tuple[str, ...]:
        """The labels of both sides in alphabetical order: what is to be grouped."""
        return tuple(sorted({*self.gt[name], *self.pred[name]}))


def inspect_csv(path: Path, label_parser: str = "quotes") -> Inspection:
    """Read a csv and note every problem with its line.

    Raises:
        UserError: not there, not UTF-8, not a csv, or a column missing.
    """
    check_parser(label_parser)
    text = _read_text(path)
    found, begin = Inspection(path), 1  # the line in which the row begins; the reader knows the one where it ends
    try:
        _check_header(path, next(csv.reader(io.StringIO(text, newline="")), []))
        # Not `read_csv`, which ends at the first bad row: here all of them are listed.
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        begin = 2
        for row in reader:
            _inspect_row(found, row, reader.line_num, label_parser)
            begin = reader.line_num + 1
    except csv.Error as error:
        hint = "is a double quote left open, or one inside a cell not written twice?"
        raise UserError(f"{path}, line {begin}: not a csv ({error}); {hint}") from error
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it again as UTF-8") from error


def _check_header(path: Path, header: list[str]) -> None:
    """Raise `UserError` for missing columns, columns that stand twice, and another separator than a comma."""
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise UserError(f"{path}: column {', '.join(map(repr, twice))} stands twice in the header; keep one")
    for separator, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and set(COLUMNS) <= {column.strip() for column in header[0].split(separator)}:
            raise UserError(f"{path}: the columns have {called} between them; save it with commas")
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        there = ", ".join(header) or "none"
        raise UserError(f"{path}: column {', '.join(missing)} is missing; columns there: {there}")


def _inspect_row(found: Inspection, row: dict, line: int, label_parser: str) -> None:
    name, cell = row["name"] or "", row["openset"]
    if None in row:
        cells = len(row[None]) + len(row) - 1
        found.problems.append((line, f"{cells} cells, the header has {len(row) - 1}; put the list in double quotes"))
        return
    if not name.strip() or name in (".", "..") or set(name) & {"/", "\\", "\0"}:
        found.problems.append((line, f"name {name!r} cannot be the name of a sample"))
        return
    if name in found.lines:
        found.problems.append((line, f"name {name!r} stands already in line {found.lines[name]}"))
        return
    found.lines[name], found.cells[name] = line, cell or ""
    if name != name.strip():
        found.doubts.append((line, f"name {name!r} has blanks around it"))
    try:
        labels = read_labels(cell or "", label_parser)
    except LabelError as error:
        found.problems.append((line, f"{name}: {_short(cell)} is {error}"))
        return
    found.labels[name] = labels
    if not labels:
        if cell and cell.strip():
            found.doubts.append((line, f"{name}: {_short(cell)} holds no label"))
    elif "'" not in cell and '"' not in cell and "," in cell:
        found.doubts.append((line, f"{name}: {_short(cell)} has no quotes; read as {len(labels)} label(s): {labels}"))


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 60 else cell[:57] + "...")


def read_csv_labels(path: Path, label_parser: str = "quotes") -> dict[str, tuple[str, ...]]:
    """name -> lower-cased labels.

    Raises:
        UserError: any row that cannot be read; the first ones are listed with their lines.
    """
    found = inspect_csv(path, label_parser)
    if found.problems:
        listed = "".join(f"\n  line {line}: {text}" for line, text in found.problems[:MAX_LISTED])
        more = f"\n  ... and {len(found.problems) - MAX_LISTED} more" if len(found.problems) > MAX_LISTED else ""
        raise UserError(f"{path}: {len(found.problems)} row(s) cannot be read{listed}{more}")
    return found.labels


def join(gt: dict[str, tuple[str, ...]], pred: dict[str, tuple[str, ...]]) -> Samples:
    """Bring both sides together by name."""
    scored = sorted(name for name, labels in gt.items() if labels)
    return Samples(
        gt={name: gt[name] for name in scored},
        pred={name: pred.get(name, ()) for name in scored},
        missing=tuple(name for name in scored if name not in pred),
        extra=tuple(sorted(name for name in pred if name not in gt)),
        empty_gt=tuple(sorted(name for name, labels in gt.items() if not labels)),
    )


def read_samples(gt_csv: Path, pred_csv: Path, label_parser: str = "quotes") -> Samples:
    """Both csvs joined.

    Raises:
        UserError: a csv that cannot be read, or no sample with a true label in `gt_csv`.
    """
    samples = join(read_csv_labels(gt_csv, label_parser), read_csv_labels(pred_csv, label_parser))
    if not samples.gt:
        raise UserError(f"{gt_csv}: no sample has a true label, there is nothing to score")
    return samples
