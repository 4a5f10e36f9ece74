"""One numeric column of two csvs, joined by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def read_pairs(true_csv: Path, predicted_csv: Path, column: str) -> tuple[np.ndarray, np.ndarray, int]:
    """(true, predicted), each ``(N,)`` float64 in name order, and how many names only one of the files has.

    Raises:
        UserError: a file, column or number that cannot be read; fewer than 2 common names; a column that never varies.
    """
    tables = [_numbers(path, column) for path in (true_csv, predicted_csv)]
    names = sorted(tables[0].keys() & tables[1].keys())
    if len(names) < 2:
        raise UserError(f"{true_csv} and {predicted_csv} have {len(names)} names in common; at least 2 are needed")
    true, predicted = (np.array([table[name] for name in names]) for table in tables)
    for path, values in ((true_csv, true), (predicted_csv, predicted)):
        if values.min() == values.max():
            raise UserError(f"{path}: {column} is {values[0]:g} for all common names: a correlation is not defined")
    return true, predicted, len(tables[0].keys() ^ tables[1].keys())


def _numbers(path: Path, column: str) -> dict[str, float]:
    numbers = {}
    for row in read_csv(path, required=("name", column), unique="name"):
        try:
            value = float(row[column])
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise UserError(f"{path}: {column} of {row['name']!r} is {row[column]!r}, not a number")
        numbers[row["name"]] = value
    return numbers
