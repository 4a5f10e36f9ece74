"""Predictions to be submitted: from a results file of a training run, or from any csv with a name and a label."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.submission.tracks import Track
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def read_predictions(path: Path, track: Track, labels: Sequence[str], column: str = "") -> dict[str, str]:
    """Name -> label (OV: a list as text) in the file's order.

    Args:
        path: a results file ``test1_*.npz`` (names, emo_probs), or a csv.
        labels: what the columns of ``emo_probs`` mean.
        column: the csv's column of labels; default: the track's.

    Raises:
        UserError: no such file, not such a file, or predictions that do not fit the labels.
    """
    if path.suffix.lower() == ".npz":
        found = _from_results(path, labels)
        return {name: str([label]) for name, label in found.items()} if track.column == "openset" else found
    chosen = column or track.column
    try:
        rows = read_csv(path, required=("name", chosen), unique="name")
    except UserError as error:
        hint = "" if column else "; --column names another column of labels"
        raise UserError(f"{error}{hint if f'column {chosen} is missing' in str(error) else ''}") from error
    cells = {row["name"]: row[chosen].strip() for row in rows}
    if track.column == "openset":  # a single label becomes a list of one
        cells = {name: str([cell]) if cell and "[" not in cell else cell for name, cell in cells.items()}
    return cells


def _from_results(path: Path, labels: Sequence[str]) -> dict[str, str]:
    try:
        with np.load(path, allow_pickle=False) as file:  # `args`, a pickled namespace, stays unread
            arrays = {key: file[key] for key in ("names", "emo_probs") if key in file.files}
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: not a readable results file ({' '.join(str(error).split())})") from error
    missing = [key for key in ("names", "emo_probs") if key not in arrays]
    if missing:
        raise UserError(
            f"{path}: has no {' and no '.join(missing)}; a test1_*.npz of this toolkit's training has both "
            "(those of the original baseline have no names)"
        )
    names, logits = arrays["names"], arrays["emo_probs"]
    if names.dtype.kind != "U" or logits.dtype.kind not in "fiu" or logits.ndim != 2 or names.shape != logits.shape[:1]:
        raise UserError(
            f"{path}: names {names.dtype} {names.shape} and emo_probs {logits.shape} do not belong together"
        )
    if logits.shape[1] != len(labels):
        raise UserError(
            f"{path}: predictions of {logits.shape[1]} classes, but {len(labels)} labels ({', '.join(labels)}); "
            "give the right --dataset or --labels"
        )
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        first, count = str(names[bad][0]), int(bad.sum())
        raise UserError(f"{path}: the prediction of {first!r} is not finite ({count} such samples)")
    if len(set(names.tolist())) != len(names):
        raise UserError(f"{path}: a name stands in it twice")
    blank = [name for name in names.tolist() if name != name.strip() or not name]
    if blank:
        raise UserError(
            f"{path}: {len(blank):,} names are empty or have blanks at their ends, for example {blank[0]!r}"
        )
    return {str(name): labels[best] for name, best in zip(names, logits.argmax(axis=1), strict=True)}
