"""The transcript csv of a corpus: written from the download, and left alone once it has become the user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv


def write_transcripts(
    path: Path,
    texts: Mapping[str, Mapping[str, str]],
    overwrite: bool,
    usable: Collection[str] | None = None,
    ours: bool | None = None,
) -> list[tuple[str, str]]:
    """Write name -> column -> text, one line a clip; not when the file was translated, polished or otherwise changed.

    A file that is ours is brought up to date. When nothing is known of it, it counts as ours if all of its rows are in
    `texts` (it may be of a smaller download).

    Args:
        usable: the clips that get a line; None: all.
        ours: whether the file is as an earlier run wrote it; None: not known.

    Returns:
        Warnings as (file name, text).
    """
    columns = ("name", *next(iter(texts.values())))
    rows = {
        name: (name, *(" ".join(of_name[column].split()) for column in columns[1:])) for name, of_name in texts.items()
    }
    kept = [row for name, row in rows.items() if usable is None or name in usable]
    if path.exists() and not overwrite:
        try:
            there = read_csv(path)
        except UserError as error:
            return [(path.name, f"kept as it is, but: {error}")]
        if [tuple(row.values()) for row in there] == kept and all(tuple(row) == columns for row in there):
            return []
        if ours is None:
            ours = all(tuple(row) == columns and rows.get(row["name"]) == tuple(row.values()) for row in there)
        if not ours:
            return [(path.name, "kept as it is: its texts are not the download's (--overwrite replaces it)")]
    if kept:  # an older file outlives a run without any clip, as the label file does
        write_csv(path, columns, kept)
    return []
