"""``leaderboard.csv``: one row per finished run, safe when many processes append at once.

A row is appended under an exclusive lock and synced; an append that fails (disk full) is taken back, so the file never
holds half a row. Every writer uses the same columns; what differs between models is JSON inside a cell.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.utils.errors import UserError

COLUMNS = (
    "finished",  # local time, ISO 8601
    "run_id",  # hash of everything that decides the result
    "status",  # ok | failed
    "note",  # why it failed
    "phase",  # search | repeat (a further run of the best trial)
    "dataset",
    "model",
    "feat_type",
    "audio",
    "text",
    "video",
    "features",  # JSON list: all input features, in order
    "trial",
    "seed",
    "f1",  # mean over the folds, each at its best epoch
    "acc",
    "mse",
    "loss",
    "fold_f1",  # JSON lists, one value per fold
    "fold_acc",
    "best_epochs",
    "hyper",  # JSON
    "trainer",  # loop | population
    "seconds",
    "device",
    "versions",  # JSON
    "args",  # JSON
    "files",  # JSON: what was written, names relative to this file's folder
)
FILE_NAME = "leaderboard.csv"


def append(folder: Path, row: Mapping[str, Any]) -> Path:
    """Append one run to ``<folder>/leaderboard.csv``; returns the file's path.

    Raises:
        UserError: the row cannot be written; the file is as it was before.
    """
    path = folder / FILE_NAME
    line = _csv_line([_cell(row.get(column, "")) for column in COLUMNS])
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        _check_columns(descriptor, size, path)
        size = _drop_torn_row(descriptor, size)
        text = (_csv_line(COLUMNS) if size == 0 else "") + line
        try:
            data = text.encode("utf-8")
            if os.write(descriptor, data) != len(data):
                raise OSError(28, "disk full")
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, size)
            raise UserError(f"{path}: the run's row cannot be written ({error.strerror}); free some space") from error
    finally:
        os.close(descriptor)  # releases the lock
    return path


def _check_columns(descriptor: int, size: int, path: Path) -> None:
    header = os.pread(descriptor, 4096, 0).split(b"\n", 1)[0].decode("utf-8", "replace")
    if size and header != ",".join(COLUMNS):
        raise UserError(
            f"{path} has other columns (made by another version?); move it away, or choose another --save_root"
        )


def read(folder: Path) -> list[dict[str, str]]:
    """All whole rows of ``<folder>/leaderboard.csv``, oldest first; empty when there is none."""
    path = folder / FILE_NAME
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("files") and None not in row]


def read_ok(folder: Path) -> list[dict[str, str]]:
    """`read` without failed runs."""
    return [row for row in read(folder) if row["status"] == "ok"]


def finished_rows(folder: Path) -> dict[str, dict[str, str]]:
    """Identity -> row of the runs in the leaderboard whose files are all still there (failed runs have none)."""
    rows = {}
    for row in read(folder):
        try:
            files = json.loads(row["files"])
        except json.JSONDecodeError:
            continue
        if all((folder / file).exists() for file in files.values()):
            rows[row["run_id"]] = row
    return rows


def _drop_torn_row(descriptor: int, size: int) -> int:
    """Cut off what follows the last line end (a machine died while appending); returns the new size.

    Cells hold no line ends, so every line is a row.
    """
    position = size
    while position > 0:
        start = max(0, position - 65536)
        found = os.pread(descriptor, position - start, start).rfind(b"\n")
        if found >= 0:
            position = start + found + 1
            break
        position = start
    if position != size:
        os.ftruncate(descriptor, position)
    return position


def _cell(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list, tuple)) else str(value)
    return " ".join(text.splitlines())


def _csv_line(values) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
