"""MELD from its download: ``subvideo/<split>_dia<D>_utt<U>.mp4``, ``label.npz`` and transcripts.

python -m toolkit.preprocess.meld --raw_root /download/MELD.Raw --data_root /data

The download holds train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv (Dialogue_ID, Utterance_ID, Emotion,
Utterance) and the videos dia<D>_utt<U>.mp4 in train/, dev/ and test/, or in the folders of the original archives
(train_splits/, dev_splits_complete/, output_repeated_splits_test/). <split> is train, val or test. MELD has no valence:
-10. Transcripts have the column english. The original archives lack dev dia110_utt7 and hold a broken train
dia125_utt3: both are listed as failed, and the exit status is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.globals import EMOS_MELD, MISSING_VALENCE, CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import (
    read_emotion,
    read_index,
    read_table,
    require_parts,
    row_error,
    videos_by_name,
)
from toolkit.utils.errors import UserError, run_main

# split of the label file -> (csv, folders that may hold the videos)
SPLITS = {
    "train": ("train_sent_emo.csv", ("train", "train_splits")),
    "val": ("dev_sent_emo.csv", ("dev", "dev_splits_complete")),
    "test": ("test_sent_emo.csv", ("test", "output_repeated_splits_test")),
}
COLUMNS = ("Dialogue_ID", "Utterance_ID", "Emotion", "Utterance")
KNOWN = {"train_corpus": 9989, "val_corpus": 1109, "test_corpus": 2610}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the csv files and list the folders.

    Raises:
        UserError: a part is missing, or a csv is wrong (names the line).
    """
    require_parts(raw_root, [table for table, _ in SPLITS.values()], "MELD")
    clips: list[Clip] = []
    labels: dict[str, dict[str, dict[str, Any]]] = {}
    transcripts: dict[str, dict[str, str]] = {}
    unused = 0
    for split, (table, folders) in SPLITS.items():
        folder = _folder(raw_root, folders)
        videos = videos_by_name(folder)
        rows = read_split(raw_root / table)
        clips += [Clip(f"{split}_{name}", videos.get(name, folder / f"{name}.mp4")) for name in rows]
        labels[f"{split}_corpus"] = {
            f"{split}_{name}": {"emo": emotion, "val": MISSING_VALENCE} for name, (emotion, _) in rows.items()
        }
        transcripts |= {f"{split}_{name}": {"english": text} for name, (_, text) in rows.items()}
        unused += len(videos.keys() - rows.keys())
    notes = [f"{unused:,} videos that no csv names are not used"] if unused else []
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN}, transcripts, notes=notes)


def _folder(raw_root: Path, candidates: tuple[str, ...]) -> Path:
    for candidate in candidates:
        if (raw_root / candidate).is_dir():
            return raw_root / candidate
    raise UserError(f"{raw_root} has no folder {' or '.join(candidates)}; unpack the videos there")


def read_split(path: Path) -> dict[str, tuple[int, str]]:
    """``dia<D>_utt<U>`` -> (class index, text), in file order.

    Raises:
        UserError: a column is missing, an utterance is repeated, a number or an emotion is wrong (names the line).
    """
    rows: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(read_table(path, COLUMNS)):
        name = f"dia{read_index(path, number, row, 'Dialogue_ID')}_utt{read_index(path, number, row, 'Utterance_ID')}"
        if name in rows:
            raise row_error(path, number, f"{name} stands in an earlier line, too")
        emotion = read_emotion(path, number, row["Emotion"].lower(), name, EMOS_MELD)
        rows[name] = (EMOS_MELD.index(emotion), row["Utterance"])
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "MELD", "MELD", read)


if __name__ == "__main__":
    run_main(main)
