"""The clips of MER2023 for self-supervised training: ``mer2023-unlabel-dataset-process/``, no labels used.

python -m toolkit.preprocess.mer2023_unlabel
python -m toolkit.preprocess.mer2023_unlabel --raw_root /download/mer2023-dataset --data_root /data

The unlabelled clips are in test3/ of the MER2023 download, among them the 834 that were labelled later; like the
reference, which lists every face folder, all of them are taken, in name order. label-6way.npz holds train_corpus with
``{'emo': 0, 'val': -10}`` for each: placeholders. (The reference goes on to drop clips with fewer than 75 frames with a
face; here clips without a face are listed by the face step.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import MISSING_VALENCE, CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import require_parts, videos_by_name
from toolkit.utils.errors import UserError, run_main

FOLDER = "test3"
KNOWN = {"train_corpus": 73148 + 834}  # unlabelled, and labelled afterwards


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """List the videos.

    Raises:
        UserError: no folder, or no video in it.
    """
    require_parts(raw_root, (FOLDER,), "MER2023")
    videos = videos_by_name(raw_root / FOLDER)
    if not videos:
        raise UserError(f"{raw_root / FOLDER} holds no videos")
    labels = {"train_corpus": {name: {"emo": 0, "val": MISSING_VALENCE} for name in videos}}
    clips = [Clip(name, path) for name, path in videos.items()]
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN})


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "MER2023_UNLABEL", "MER2023_UNLABEL", read, download="mer2023-dataset")


if __name__ == "__main__":
    run_main(main)
