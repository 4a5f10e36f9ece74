"""What CMU-MOSI and CMU-MOSEI share: labels, splits and sentences from ``<dataset>_features_raw_2way.pkl``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.globals import CorpusPaths
from toolkit.preprocess.raw_pickle import RawPickle, find_pickle, read_pickle
from toolkit.utils.errors import UserError

SPLITS = ("train", "val", "test")
STRONGEST = 3.0  # sentiment goes from -3 to 3


def read_table(raw_root: Path, paths: CorpusPaths) -> RawPickle:
    """The pickled table, from the download or from the processed folder (where the reference expects it).

    Raises:
        UserError: not there, or not such a file.
    """
    file = f"{paths.dataset}_features_raw_2way.pkl"
    path = find_pickle(file, (raw_root, paths.root))
    if path is None:
        raise UserError(f"{file} is neither in {raw_root} nor in {paths.root}; it holds the labels: put it there")
    table = read_pickle(path, len(SPLITS))
    if not table.splits[0]:
        raise UserError(f"{path}: no training videos in it")
    return table


def split_labels(table: RawPickle) -> dict[str, dict[str, dict[str, Any]]]:
    """``train_corpus``, ``val_corpus``, ``test_corpus`` -> name -> label: sentiment as valence, emotion always 0.

    Raises:
        UserError: a sentiment outside -3 to 3.
    """
    labels = {}
    for split, videos in zip(SPLITS, table.splits, strict=True):
        clips = table.of_videos(videos)
        for name, value, _ in clips:
            if abs(value) > STRONGEST:
                raise UserError(f"{table.path}: the sentiment of {name!r} is {value:g}, outside -3 to 3")
        labels[f"{split}_corpus"] = {name: {"emo": 0, "val": value} for name, value, _ in clips}
    return labels


def english(table: RawPickle) -> dict[str, dict[str, str]]:
    """The transcripts: name -> column -> text."""
    return {name: {"english": text} for name, _, text in table.of_videos(list(table.clips))}
