"""The transcript csv of a corpus: written from the download, and left alone once it has become the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv


def write_transcripts(path: Path, texts: Mapping[str, Mapping[str, str]], overwrite: bool) -> list[tuple[str, str]]:
    """Write name -> column -> text, one line a clip; not when the file was translated, polished or otherwise changed.

    A file whose rows are all in `texts` is ours, perhaps of a smaller download: missing rows are then added.

    Returns:
        Warnings as (file name, text).
    """
    columns = ("name", *next(iter(texts.values())))
    rows = {
        name: (name, *(" ".join(of_name[column].split()) for column in columns[1:])) for name, of_name in texts.items()
    }
    if path.exists() and not overwrite:
        try:
            there = read_csv(path)
        except UserError as error:
            return [(path.name, f"kept as it is, but: {error}")]
        if any(tuple(row) != columns or rows.get(row["name"]) != tuple(row.values()) for row in there):
            return [(path.name, "kept as it is: its texts are not the download's (--overwrite replaces it)")]
        if len(there) == len(rows):
            return []
    write_csv(path, columns, list(rows.values()))
    return []
