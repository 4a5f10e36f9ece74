"""``failures.csv`` in an output folder: which samples failed and why; absent when all went well."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv

FAILURES_FILE = "failures.csv"
COLUMNS = ("name", "reason")


def update_failures(
    folder: Path,
    failures: Iterable[tuple[str, str]],
    attempted: Collection[str],
    is_done: Callable[[str], bool],
) -> None:
    """Keep the list true: this run's `failures`, and older ones that were not `attempted` again and are not done."""
    path = folder / FAILURES_FILE
    rows = dict(failures)
    for name, reason in older_failures(folder):
        if name not in attempted and not is_done(name):
            rows.setdefault(name, reason)
    if rows:
        write_csv(path, COLUMNS, sorted(rows.items()))
    else:
        path.unlink(missing_ok=True)


def older_failures(folder: Path) -> list[tuple[str, str]]:
    """(name, reason) of the list as it stands in `folder`; [] when there is none."""
    path = folder / FAILURES_FILE
    if not path.exists():
        return []
    try:
        return [(row["name"], row["reason"]) for row in read_csv(path, COLUMNS)]
    except UserError:  # damaged by hand: it is only a report, and is written anew
        return []
