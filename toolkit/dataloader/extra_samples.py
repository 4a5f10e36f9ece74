"""Pseudo-labelled samples (``--extra_train``): rows of a csv that join the training part of every fold, and no other.

The csv is what ``main-predict.py --top_k`` writes: ``name,discrete,confidence`` (``valence`` too, for a corpus that is
trained on valence). Confidences are not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from toolkit.dataloader.corpora import Corpus
from toolkit.dataloader.cross import Samples
from toolkit.globals import MISSING_VALENCE
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def read_extra_samples(
    path: Path, corpus: Corpus, labelled: Mapping[str, str], folders: Sequence[Path], limit: int | None = None
) -> Samples:
    """The samples of the csv `path` in its order; at most the first `limit`.

    Args:
        corpus: whose emotions the column ``discrete`` holds.
        labelled: names that have a label already -> what they are ("training sample", say).
        folders: the feature folders of the run, which must have every sample.

    Raises:
        UserError: not such a csv, or a row that cannot be used (labelled already, an unknown emotion, no valence, no
            feature): the message names file and line of the first, and how many there are.
    """
    columns = ["name"]
    columns += ["discrete"] if corpus.emotions else []
    columns += ["valence"] if corpus.outputs[1] else []
    rows = read_csv(path, columns, unique="name")[:limit]
    faults = {row["name"]: fault for row in rows if (fault := _fault(row, corpus, labelled, folders))}
    if faults:
        more = f" ({len(faults)} of the {len(rows)} rows cannot be used)" if len(faults) > 1 else ""
        # read once more, because only the reader knows the lines
        read_csv(path, columns, unique="name", fault=lambda name: faults[name] + more if name in faults else "")
        raise UserError(f"{path}: changed while it was read; run again")
    index = {emotion: number for number, emotion in enumerate(corpus.emotions)}
    return Samples(
        tuple(row["name"] for row in rows),
        np.array([index[row["discrete"]] if index else 0 for row in rows], np.int64),
        np.array([float(row["valence"]) if corpus.outputs[1] else MISSING_VALENCE for row in rows], np.float32),
    )


def _fault(row: Mapping[str, str], corpus: Corpus, labelled: Mapping[str, str], folders: Sequence[Path]) -> str:
    """What is wrong with a row, "" when nothing is."""
    name = row["name"]
    if "/" in name or "\0" in name:
        return "is not a usable sample name"
    if name in labelled:
        return f"is a {labelled[name]} of the corpus already; remove the row"
    if corpus.emotions and row["discrete"] not in corpus.emotions:
        return f"has the unknown emotion {row['discrete']!r}; known: {', '.join(corpus.emotions)}"
    if corpus.outputs[1] and not _is_valence(row["valence"]):
        return f"has the valence {row['valence']!r}, not a number"
    for folder in folders:
        if not (folder / f"{name}.npy").exists() and not (folder / name).is_dir():
            return f"has no feature in {folder}; extract it, or remove the row"
    return ""


def _is_valence(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value != MISSING_VALENCE
