"""CH-SIMS from its download: ``video/<video>_<clip 4 digits>.mp4``, ``label.npz`` and transcripts.

python -m toolkit.preprocess.sims --raw_root /download/CH-SIMS --data_root /data

The download holds Raw/<video_id>/<clip 4 digits>.mp4, metadata/sentiment/label_M.csv (video_id, clip_id, label),
metadata/{train,val,test}_index.csv (index: data rows of label_M.csv, from 0) and metadata/Translation.csv (video_id,
clip_id, Chinese, English). Labels are sentiment from -1 to 1, kept as valence; the order is that of the index files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.globals import CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import read_index, read_number, read_table, require_parts, row_error
from toolkit.utils.errors import UserError, run_main
from toolkit.utils.read_files import read_csv

VIDEOS, LABELS, TEXTS = "Raw", "metadata/sentiment/label_M.csv", "metadata/Translation.csv"
INDEXES = {split: f"metadata/{split}_index.csv" for split in ("train", "val", "test")}
KNOWN = {"train_corpus": 1368, "val_corpus": 456, "test_corpus": 457}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the metadata.

    Raises:
        UserError: a part is missing, or a csv is wrong (names the line).
    """
    require_parts(raw_root, (VIDEOS, LABELS, *INDEXES.values(), TEXTS), "CH-SIMS")
    samples = _read_samples(raw_root)
    labels = {f"{split}_corpus": _read_split(raw_root / table, samples) for split, table in INDEXES.items()}
    if not labels["train_corpus"]:
        raise UserError(f"{raw_root / INDEXES['train']}: no row below the header; unpack or download it again")
    texts = _read_texts(raw_root / TEXTS)
    used = {name for of_split in labels.values() for name in of_split}
    unused = len(samples) - len(used)
    return RawCorpus(
        clips=[clip for clip, _ in samples if clip.name in used],
        labels={paths.label.name: labels},
        known={paths.label.name: KNOWN},
        transcripts=texts,
        remarks=[(name, f"has no row in {TEXTS}: no transcript") for name in used if name not in texts],
        notes=[f"{unused:,} rows of {LABELS} are in no split and not used"] if unused else [],
    )


def _read_samples(raw_root: Path) -> list[tuple[Clip, float]]:
    """(clip, sentiment) of every row of the label csv."""
    path = raw_root / LABELS
    samples: list[tuple[Clip, float]] = []
    names: set[str] = set()
    for number, row in enumerate(read_table(path, ("video_id", "clip_id", "label"))):
        name = _name(path, number, row)
        if name in names:
            raise row_error(path, number, f"{name} stands in an earlier line, too")
        names.add(name)
        source = raw_root / VIDEOS / row["video_id"] / f"{int(row['clip_id']):04d}.mp4"
        samples.append((Clip(name, source), read_number(path, number, row, "label", -1, 1)))
    return samples


def _name(path: Path, number: int, row: dict[str, str]) -> str:
    return f"{row['video_id']}_{read_index(path, number, row, 'clip_id'):04d}"


def _read_split(path: Path, samples: Sequence[tuple[Clip, float]]) -> dict[str, dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(read_csv(path, required=("index",))):
        index = read_index(path, number, row, "index")
        if index >= len(samples):
            raise row_error(path, number, f"index {index}, but {LABELS} has only the rows 0 to {len(samples) - 1}")
        clip, sentiment = samples[index]
        if clip.name in labels:
            raise row_error(path, number, f"index {index} stands in an earlier line, too")
        labels[clip.name] = {"emo": 0, "val": sentiment}
    return labels


def _read_texts(path: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for number, row in enumerate(read_table(path, ("video_id", "clip_id", "Chinese", "English"))):
        name = _name(path, number, row)
        if name in texts:
            raise row_error(path, number, f"{name} stands in an earlier line, too")
        texts[name] = {"chinese": row["Chinese"], "english": row["English"]}
    return texts


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "CH-SIMS", "SIMS", read)


if __name__ == "__main__":
    run_main(main)
