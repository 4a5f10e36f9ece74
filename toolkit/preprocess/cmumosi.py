"""CMU-MOSI from its download: ``subvideo/<video>_<clip>.mp4``, ``label.npz`` and transcripts.

python -m toolkit.preprocess.cmumosi --raw_root /download/CMU-MOSI/Raw --data_root /data

The download holds Video/Segmented/<name>.mp4 and CMUMOSI_features_raw_2way.pkl (which may lie in the processed folder
instead): names, sentiment from -3 to 3 (kept as valence), sentences, splits. Transcripts have the column english.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import CorpusPaths
from toolkit.preprocess.cmu import english, read_table, split_labels
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import require_parts, videos_by_name
from toolkit.utils.errors import run_main

VIDEOS = "Video/Segmented"
KNOWN = {"train_corpus": 1284, "val_corpus": 229, "test_corpus": 686}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the table and list the videos.

    Raises:
        UserError: a part is missing, or the table is wrong.
    """
    require_parts(raw_root, (VIDEOS,), "CMU-MOSI")
    table = read_table(raw_root, paths)
    labels = split_labels(table)
    videos = videos_by_name(raw_root / VIDEOS)
    clips = [
        Clip(name, videos.get(name, raw_root / VIDEOS / f"{name}.mp4"))
        for of_split in labels.values()
        for name in of_split
    ]
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN}, english(table))


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "CMU-MOSI", "CMUMOSI", read)


if __name__ == "__main__":
    run_main(main)
