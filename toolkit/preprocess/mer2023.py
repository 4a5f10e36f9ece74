"""MER2023 from its download: ``video/<name>.<suffix>`` and ``label-6way.npz`` of ``mer2023-dataset-process/``.

python -m toolkit.preprocess.mer2023 --raw_root /download/mer2023-dataset --data_root /data
python -m toolkit.preprocess.mer2023 --raw_root /download/mer2023-dataset --link copy --workers 4

The download holds train/, test1/, test2/, test3/ with the videos and train-label.csv ... test3-label.csv (columns name,
discrete, valence; test3 has no valence, so its valences are the missing value -10). A test set of which neither folder
nor csv is there is left empty. Labels are in the order of the csv files. Videos without a label (test3/ holds the
unlabelled clips too, see toolkit.preprocess.mer2023_unlabel) are not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.globals import EMOS_MER, MISSING_VALENCE, CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import read_emotion, read_number, read_table, require_parts, videos_by_name
from toolkit.utils.errors import run_main

SPLITS = ("train", "test1", "test2", "test3")
WITHOUT_VALENCE = "test3"
KNOWN = {"train_corpus": 3373, "test1_corpus": 411, "test2_corpus": 412, "test3_corpus": 834}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the csv files and list the folders.

    Raises:
        UserError: a part is missing, or a csv is wrong (names the line).
    """
    there = [split for split in SPLITS if split == "train" or any((raw_root / part).exists() for part in _parts(split))]
    require_parts(raw_root, [part for split in there for part in _parts(split)], "MER2023")
    clips: list[Clip] = []
    labels: dict[str, dict[str, dict[str, Any]]] = {f"{split}_corpus": {} for split in SPLITS}
    unlabelled = 0
    for split in there:
        folder, table = (raw_root / part for part in _parts(split))
        of_split = read_split(table, split != WITHOUT_VALENCE)
        videos = videos_by_name(folder)
        clips += [Clip(name, videos.get(name, folder / f"{name}.mp4")) for name in of_split]
        labels[f"{split}_corpus"] = of_split
        unlabelled += len(videos.keys() - of_split.keys())
    absent = [split for split in SPLITS if split not in there]
    notes = [f"{', '.join(absent)}: not in the download, left empty"] if absent else []
    notes += [f"{unlabelled:,} videos without a label are not used"] if unlabelled else []
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN}, notes=notes)


def _parts(split: str) -> tuple[str, str]:
    return split, f"{split}-label.csv"


def read_split(path: Path, with_valence: bool) -> dict[str, dict[str, Any]]:
    """Name -> label of one csv, in file order.

    Raises:
        UserError: a column is missing, a name is empty or repeated, an emotion or a valence is wrong (names the line).
    """
    required = ("name", "discrete", "valence") if with_valence else ("name", "discrete")
    labels = {}
    for number, row in enumerate(read_table(path, required, unique="name")):
        emotion = read_emotion(path, number, row["discrete"], row["name"], EMOS_MER)
        valence = read_number(path, number, row, "valence", -math.inf, math.inf) if with_valence else MISSING_VALENCE
        labels[row["name"]] = {"emo": emotion, "val": valence}
    return labels


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "MER2023", "MER2023", read)


if __name__ == "__main__":
    run_main(main)
