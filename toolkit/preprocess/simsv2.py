"""CH-SIMS v2 (the supervised part) from its download: ``video/<video>_<clip>.mp4``, ``label.npz`` and transcripts.

python -m toolkit.preprocess.simsv2 --raw_root /download/ch-simsv2s --data_root /data

The download holds Raw/<video_id>/<clip_id>.mp4 and meta.csv (video_id, clip_id, text, label, mode in train, valid,
test; file order is sample order). Labels are sentiment from -1 to 1, kept as valence. Transcripts have the column
chinese.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.globals import CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import read_number, read_table, require_parts, row_error
from toolkit.utils.errors import run_main

VIDEOS, TABLE = "Raw", "meta.csv"
COLUMNS = ("video_id", "clip_id", "text", "label", "mode")
MODES = {"train": "train_corpus", "valid": "val_corpus", "test": "test_corpus"}
KNOWN = {"train_corpus": 2722, "val_corpus": 647, "test_corpus": 1034}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read ``meta.csv``.

    Raises:
        UserError: a part is missing, or the csv is wrong (names the line).
    """
    require_parts(raw_root, (VIDEOS, TABLE), "CH-SIMS v2")
    path = raw_root / TABLE
    clips: list[Clip] = []
    labels: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in MODES.values()}
    transcripts: dict[str, dict[str, str]] = {}
    for number, row in enumerate(read_table(path, COLUMNS)):
        name = f"{row['video_id']}_{row['clip_id']}"
        if row["mode"] not in MODES:
            raise row_error(path, number, f"mode is {row['mode']!r}; allowed: {', '.join(MODES)}")
        if name in transcripts:
            raise row_error(path, number, f"{name} stands in an earlier line, too")
        clips.append(Clip(name, raw_root / VIDEOS / row["video_id"] / f"{row['clip_id']}.mp4"))
        labels[MODES[row["mode"]]][name] = {"emo": 0, "val": read_number(path, number, row, "label", -1, 1)}
        transcripts[name] = {"chinese": row["text"]}
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN}, transcripts)


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "CH-SIMS v2", "SIMSv2", read)


if __name__ == "__main__":
    run_main(main)
